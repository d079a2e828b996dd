-- 0: no longer in the seed file; products that are not listed either may still name it.
ALTER TABLE categories ADD COLUMN listed INTEGER NOT NULL DEFAULT 1;
