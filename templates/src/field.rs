//! A form field with its label, hint and error (`html/field.html`).

/// The view of `field.html`.
#[derive(Debug, Clone)]
pub struct Field {
    /// Name in the form.
    pub name: &'static str,
    /// Unique on the page.
    pub id: &'static str,
    /// What stands above it.
    pub label: &'static str,
    /// `text`, `email`, `password` or `select`.
    pub kind: &'static str,
    /// As it was typed; always empty for passwords.
    pub value: String,
    /// Why the value can't be taken, or empty.
    pub error: String,
    /// What helps to fill it in, or empty.
    pub hint: &'static str,
    /// Token of the HTML standard, section "Autofill".
    pub autocomplete: &'static str,
    /// Whether it may stay empty.
    pub optional: bool,
    /// Whether it shares its row with the next one.
    pub half: bool,
    /// What can be chosen, for a `select`.
    pub options: Vec<Choice>,
}

/// How a field is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line of text.
    Text,
    /// An email address.
    Email,
    /// A password, which is never shown again.
    Password,
    /// One of several choices.
    Select,
}

/// One of several things to choose from.
#[derive(Debug, Clone)]
pub struct Choice {
    /// What the form sends.
    pub value: String,
    /// What the visitor reads.
    pub label: String,
    /// Whether it is chosen.
    pub selected: bool,
}

impl Field {
    /// An empty field that has to be filled in.
    pub fn new(kind: Kind, name: &'static str, label: &'static str, autocomplete: &'static str) -> Self {
        Self {
            name,
            id: name,
            label,
            kind: match kind {
                Kind::Text => "text",
                Kind::Email => "email",
                Kind::Password => "password",
                Kind::Select => "select",
            },
            value: String::new(),
            error: String::new(),
            hint: "",
            autocomplete,
            optional: false,
            half: false,
            options: Vec::new(),
        }
    }

    /// The field with a value and what is wrong with it (empty: nothing).
    pub fn filled(self, value: &str, error: &str) -> Self {
        let value = if self.kind == "password" { "" } else { value };
        Self { value: value.to_owned(), error: error.to_owned(), ..self }
    }

    /// The field with a hint.
    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// The field as one that may stay empty.
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The field as one that shares its row.
    pub fn half(self) -> Self {
        Self { half: true, ..self }
    }

    /// The field with what can be chosen, by value and label; its own value is the one that is.
    pub fn options<'a>(self, options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let choice = |(value, label): (&str, &str)| Choice {
            value: value.to_owned(),
            label: label.to_owned(),
            selected: value == self.value,
        };
        let options = options.into_iter().map(choice).collect();
        Self { options, ..self }
    }
}
