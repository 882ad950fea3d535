use std::fmt;

/// A Markdown table; a bar inside a cell is escaped.
pub(super) struct Table<const COLUMNS: usize> {
    text: String,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(titles: [&str; COLUMNS]) -> Self {
        let table = Self {
            text: String::new(),
        };
        table.row(titles).row(["---"; COLUMNS])
    }

    #[must_use]
    pub(super) fn row<S: AsRef<str>>(mut self, cells: [S; COLUMNS]) -> Self {
        for cell in cells {
            self.text.push_str("| ");
            self.text.push_str(&cell.as_ref().replace('|', "\\|"));
            self.text.push(' ');
        }
        self.text.push_str("|\n");
        self
    }

    #[must_use]
    pub(super) fn rows<S: AsRef<str>>(self, rows: impl IntoIterator<Item = [S; COLUMNS]>) -> Self {
        rows.into_iter().fold(self, Self::row)
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
