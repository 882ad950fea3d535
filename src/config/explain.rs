//! Every value in force, where it comes from and what it means, as a configuration file again.

use std::{collections::BTreeMap, fmt::Write as _};

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{Config, line_and_column};
use crate::provision::DEFAULT_CONFIGURATION;

/// Writes the configuration as a table that is itself a configuration file: a value a line, then
/// `line N` or `default`, then a few words. `text` is the file that it was read from, if it was.
///
/// No secret is in it, because none is in a configuration: keys and passwords are named by place.
#[must_use]
pub fn explain(config: &Config, text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    let written = DeTable::parse(text).ok();
    let written = written.as_ref().map(toml::Spanned::get_ref);
    let mut explained = Explained {
        text,
        meanings: &meanings(),
        rows: Vec::new(),
    };
    if let Ok(Value::Table(effective)) = Value::try_from(config) {
        explained.table("", "", &effective, written);
    }
    explained.aligned()
}

/// `section.key` → its meaning: the comment above the key in the default configuration.
fn meanings() -> BTreeMap<String, &'static str> {
    let mut meanings = BTreeMap::new();
    let (mut section, mut comment) = ("", "");
    for line in DEFAULT_CONFIGURATION.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            comment = words;
            continue;
        }
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']);
            meanings.insert(format!(".{section}"), comment);
        } else if let Some((key, _)) = line.split_once(" =") {
            meanings.insert(format!("{section}.{key}"), comment);
        }
    }
    meanings
}

struct Explained<'a> {
    text: &'a str,
    meanings: &'a BTreeMap<String, &'static str>,
    rows: Vec<Row>,
}

enum Row {
    Header(String),
    Value {
        setting: String,
        from: String,
        meaning: &'static str,
    },
}

impl Explained<'_> {
    /// `path`: `destination.tls`; `header`: `[destination.tls]`.
    fn table(&mut self, path: &str, header: &str, table: &Table, written: Option<&DeTable<'_>>) {
        if !header.is_empty() {
            self.rows.push(Row::Header(header.to_owned()));
        }
        let find = |key: &str| {
            let mut pairs = written.into_iter().flat_map(|written| written.iter());
            pairs.find(|(k, _)| k.get_ref().as_ref() == key)
        };
        let is_table = |value: &Value| value.is_table() || is_tables(value);
        for (key, value) in table.iter().filter(|(_, value)| !is_table(value)) {
            let from = find(key).map_or_else(
                || "default".to_owned(),
                |(key, _)| format!("line {}", line_and_column(self.text, key.span().start).0),
            );
            self.value(path, format!("{key} = {value}"), key, from);
        }
        let known = format!("{path}.");
        let keys: Vec<_> = self.meanings.keys().cloned().collect();
        let keys = keys.iter().filter_map(|key| key.strip_prefix(&known));
        for key in keys.filter(|key| !path.is_empty() && !key.contains('.')) {
            if !table.contains_key(key) {
                self.value(path, format!("# {key}"), key, "not set".to_owned());
            }
        }
        for (key, value) in table.iter().filter(|(_, value)| is_table(value)) {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let written = find(key).map(|(_, value)| value.get_ref());
            match value {
                Value::Table(table) => {
                    let written = written.and_then(DeValue::as_table);
                    self.table(&path, &format!("[{path}]"), table, written);
                }
                Value::Array(tables) => {
                    for (i, table) in tables.iter().enumerate() {
                        let written = written.and_then(|value| value.get(i));
                        let written = written.and_then(|value| value.get_ref().as_table());
                        if let Value::Table(table) = table {
                            self.table(&path, &format!("[[{path}]]"), table, written);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn value(&mut self, path: &str, setting: String, key: &str, from: String) {
        let meaning = self.meanings.get(&format!("{path}.{key}"));
        self.rows.push(Row::Value {
            setting,
            from,
            meaning: meaning.copied().unwrap_or_default(),
        });
    }

    fn aligned(&self) -> String {
        let wide = self.rows.iter().map(|row| match row {
            Row::Value { setting, .. } if setting.len() <= WIDEST => setting.len(),
            _ => 0,
        });
        let width = wide.max().unwrap_or(0);
        let mut text = String::new();
        for row in &self.rows {
            let _ = match row {
                Row::Header(header) => writeln!(text, "\n{header}"),
                Row::Value {
                    setting,
                    from,
                    meaning,
                } => {
                    let line = format!("{setting:width$}  # {from:<8} {meaning}");
                    writeln!(text, "{}", line.trim_end())
                }
            };
        }
        text
    }
}

/// A longer setting pushes its own comment aside and not everybody's.
const WIDEST: usize = 48;

fn is_tables(value: &Value) -> bool {
    matches!(value, Value::Array(values) if values.first().is_some_and(Value::is_table))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse(text, Path::new("hepar.toml")).unwrap()
    }

    #[test]
    fn each_value_says_where_it_comes_from_and_what_it_means() {
        let text = "[listener]\nae-title = \"LIVER\"\n\n[[destination]]\nname = \"pacs\"\n\
                    ae-title = \"PACS\"\naddress = \"10.0.0.9:104\"\n";
        let explained = explain(&parse(text), Some(text));
        let line = |start: &str| {
            let found = explained.lines().find(|line| line.starts_with(start));
            found.unwrap_or_else(|| panic!("{start} is not in\n{explained}"))
        };
        let title = line("ae-title = \"LIVER\"");
        assert!(
            title.contains("# line 2") && title.contains("scanners send to"),
            "{title}"
        );
        let most = line("max-associations = 32");
        assert!(
            most.contains("# default") && most.contains("at a time"),
            "{most}"
        );
        assert!(line("name = \"pacs\"").contains("# line 5"));
        assert!(line("# bundle").contains("not set"));
    }

    #[test]
    fn what_is_printed_is_the_same_configuration() {
        let text = "[listener]\nae-title = \"LIVER\"\n[[caller]]\nae-title = \"CT1\"\n\
                    [[destination]]\nname = \"pacs\"\nae-title = \"PACS\"\naddress = \"p:104\"\n";
        let config = parse(text);
        assert_eq!(parse(&explain(&config, Some(text))), config);
        assert_eq!(parse(&explain(&Config::default(), None)), Config::default());
    }

    #[test]
    fn the_default_configuration_explains_every_key_there_is() {
        let uncommented: String = DEFAULT_CONFIGURATION
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.starts_with(' ') => format!("{key}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let everything = parse(&uncommented);
        let explained = explain(&everything, Some(&uncommented));
        for line in explained.lines().filter(|line| line.contains('=')) {
            let (_, comment) = line.split_once("  # ").expect("a comment");
            let meaning = comment
                .trim_start_matches("line ")
                .trim_start_matches("default");
            let words = meaning.split_whitespace().count();
            assert!(words > 2, "a key is not explained in hepar.toml: {line}");
        }
    }

    #[test]
    fn the_default_configuration_names_the_defaults() {
        let mut written = parse(DEFAULT_CONFIGURATION);
        assert!(written.status.needs_login());
        written.status.address = Config::default().status.address;
        assert_eq!(written, Config::default());
    }
}
