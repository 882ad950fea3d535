use std::{fmt, fs};

/// A Markdown table.
pub struct Table {
    /// What it is called in files and documents.
    pub name: &'static str,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(name: &'static str, head: &[&str]) -> Self {
        Self {
            name,
            head: head.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(self.head.len()))?;
        self.rows
            .iter()
            .try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// The machine, and how busy it was: load averages over 1, 5 and 15 minutes count the measurement
/// itself as well.
pub fn machine() -> Table {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
            .unwrap_or_else(|| "unknown".to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut table = Table::new("machine", &["machine", ""]);
    let mut row = |what: &str, value: String| table.row([what.to_owned(), value]);
    row(
        "processor",
        format!(
            "{cores} cores of {}",
            field(&file("/proc/cpuinfo"), "model name")
        ),
    );
    row("memory", field(&file("/proc/meminfo"), "MemTotal"));
    row(
        "kernel",
        file("/proc/sys/kernel/osrelease").trim().to_owned(),
    );
    row(
        "load before the run",
        file("/proc/loadavg")
            .split(' ')
            .take(3)
            .collect::<Vec<_>>()
            .join(", "),
    );
    row("program", format!("hepar {}", env!("CARGO_PKG_VERSION")));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_line_a_row_under_its_head() {
        let mut table = Table::new("t", &["a", "b"]);
        table.row(["1".to_owned(), "2".to_owned()]);
        assert_eq!(table.to_string(), "| a | b |\n|---|---|\n| 1 | 2 |\n");
    }
}
