//! Scripts: the files of one folder, joined into one minified module.

use std::fs;
use std::path::{Path, PathBuf};

use oxc_allocator::Allocator;
use oxc_codegen::{Codegen, CodegenOptions};
use oxc_minifier::{Minifier, MinifierOptions};
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;

use crate::error::{Error, Read};
use crate::source::name;

/// One module made of `files` in their order. Each file gets a block of its own, so that no name of one is seen by
/// another.
pub(crate) fn module(root: &Path, files: &[PathBuf]) -> Result<String, Error> {
    let mut joined = String::new();
    for path in files {
        let source = fs::read_to_string(path).reading(path)?;
        // The brace stands on the file's first line, so that the parser's lines are the file's lines.
        let block = format!("{{{source}\n}}\n");
        check(&block, &name(root, path))?;
        joined.push_str(&block);
    }
    minify(&joined)
}

/// Refuses a script that isn't right as a block of a module; an `import` or `export` is not.
fn check(block: &str, file: &str) -> Result<(), Error> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, block, SourceType::mjs()).parse();
    let semantics = SemanticBuilder::new().with_check_syntax_error(true).build(&parsed.program);
    let Some(diagnostic) = parsed.diagnostics.iter().chain(semantics.diagnostics.iter()).next() else {
        return Ok(());
    };
    let offset = diagnostic.labels.first().map_or(0, |label| label.offset() as usize);
    Err(Error::JavaScript {
        file: file.to_owned(),
        line: block.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1,
        message: diagnostic.message.to_string(),
    })
}

fn minify(source: &str) -> Result<String, Error> {
    let allocator = Allocator::default();
    let mut program = Parser::new(&allocator, source, SourceType::mjs()).parse().program;
    let minified = Minifier::new(MinifierOptions::default()).minify(&allocator, &mut program);
    let printed = Codegen::new().with_options(CodegenOptions::minify()).with_scoping(minified.scoping).build(&program);
    Ok(printed.code.to_string())
}
