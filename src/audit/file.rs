//! The files of the trail: append-only, one record a line, never rewritten.
//!
//! `audit-00000001.log` and so on; a full file is followed by the next, and the oldest go when there
//! are too many. A line that a power cut tore is ended where it was torn and stays as evidence; the
//! next record starts a new one. A [`Cursor`] says how far a reader is and outlives a restart.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Limits of the trail.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes after which a file is followed by the next.
    pub file: u64,
    /// How many files are kept.
    pub files: usize,
}

/// The writing end.
#[derive(Debug)]
pub struct Trail {
    directory: PathBuf,
    limits: Limits,
    number: u32,
    file: File,
    length: u64,
}

impl Trail {
    /// Opens the newest file of the trail, or starts the first.
    pub fn open(directory: &Path, limits: Limits) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let number = numbers(directory)?.last().copied().unwrap_or(1);
        let (file, length) = open_file(directory, number)?;
        Ok(Self {
            directory: directory.to_owned(),
            limits,
            number,
            file,
            length,
        })
    }

    /// Appends records, one line each without its end, and returns when they are on stable storage.
    pub fn append(&mut self, records: &[String]) -> io::Result<()> {
        if self.length >= self.limits.file {
            self.next_file()?;
        }
        let mut lines = Vec::new();
        for record in records {
            lines.extend_from_slice(record.as_bytes());
            lines.push(b'\n');
        }
        // What a failed write left behind must not become the start of the next record.
        let written = self
            .file
            .write_all(&lines)
            .and_then(|()| self.file.sync_data());
        if written.is_err() {
            let (file, length) = open_file(&self.directory, self.number)?;
            (self.file, self.length) = (file, length);
        } else {
            self.length += lines.len() as u64;
        }
        written
    }

    fn next_file(&mut self) -> io::Result<()> {
        let number = self.number + 1;
        let (file, length) = open_file(&self.directory, number)?;
        (self.number, self.file, self.length) = (number, file, length);
        let all = numbers(&self.directory)?;
        let surplus = all.len().saturating_sub(self.limits.files.max(1));
        for old in all.iter().take(surplus) {
            fs::remove_file(path(&self.directory, *old))?;
        }
        Ok(())
    }
}

/// Opens for appending; ends a torn last line.
fn open_file(directory: &Path, number: u32) -> io::Result<(File, u64)> {
    let path = path(directory, number);
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)?;
    let mut length = file.metadata()?.len();
    if length > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            file.sync_data()?;
            length += 1;
        }
    }
    File::open(directory)?.sync_all()?;
    Ok((file, length))
}

/// How far a reader is: everything before it has been read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    file: u32,
    offset: u64,
}

impl Cursor {
    /// Reads it back; a reader that never was, or whose place is unreadable, starts at the oldest
    /// record.
    pub fn load(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub fn save(&self, path: &Path) -> io::Result<()> {
        let part = path.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// The whole records that follow, at most `most`, and where the reader then is. Torn lines are
    /// passed over. A place in a file that is gone continues with the oldest there is.
    pub fn read(&self, directory: &Path, most: usize) -> io::Result<(Vec<String>, Self)> {
        let all = numbers(directory)?;
        let mut here = *self;
        loop {
            let Some(&number) = all.iter().find(|number| **number >= here.file) else {
                return Ok((Vec::new(), here));
            };
            if number != here.file {
                here = Self {
                    file: number,
                    offset: 0,
                };
            }
            let (records, offset) = read_lines(&path(directory, number), here.offset, most)?;
            here.offset = offset;
            let is_last = all.last() == Some(&number);
            if !records.is_empty() || is_last {
                return Ok((records, here));
            }
            here = Self {
                file: number + 1,
                offset: 0,
            };
        }
    }
}

fn read_lines(path: &Path, offset: u64, most: usize) -> io::Result<(Vec<String>, u64)> {
    let mut file = File::open(path)?;
    // A file shorter than our place is not the one we read.
    let mut at = if offset > file.metadata()?.len() {
        0
    } else {
        offset
    };
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes)?;
    let mut records = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if records.len() == most || line.last() != Some(&b'\n') {
            break;
        }
        at += line.len() as u64;
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches('\n');
        if text.starts_with('<') && text.ends_with("</AuditMessage>") {
            records.push(text.to_owned());
        }
    }
    Ok((records, at))
}

fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("audit-{number:08}.log"))
}

/// The files' numbers, oldest first.
fn numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number: Option<u32> = name.to_str().and_then(|name| {
            name.strip_prefix("audit-")?
                .strip_suffix(".log")?
                .parse()
                .ok()
        });
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Read at once; far longer than any record.
const WINDOW: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        file: 200,
        files: 3,
    };

    fn record(number: usize) -> String {
        format!("<85>1 record {number}</AuditMessage>")
    }

    fn read_all(directory: &Path, mut cursor: Cursor) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let (records, next) = cursor.read(directory, 2).unwrap();
            if records.is_empty() {
                return all;
            }
            all.extend(records);
            cursor = next;
        }
    }

    #[test]
    fn a_torn_last_line_costs_no_other_record() {
        let home = tempfile::tempdir().unwrap();
        Trail::open(home.path(), LIMITS)
            .unwrap()
            .append(&[record(1)])
            .unwrap();
        let file = path(home.path(), 1);
        let mut torn = fs::read(&file).unwrap();
        torn.extend_from_slice(&record(2).as_bytes()[..10]);
        fs::write(&file, &torn).unwrap();

        let mut trail = Trail::open(home.path(), LIMITS).unwrap();
        trail.append(&[record(3)]).unwrap();

        let kept = fs::read(&file).unwrap();
        assert!(kept.starts_with(&torn), "nothing is taken away");
        let whole = read_all(home.path(), Cursor::default());
        assert_eq!(whole, [record(1), record(3)]);
    }

    #[test]
    fn full_files_are_followed_and_the_oldest_go() {
        let home = tempfile::tempdir().unwrap();
        let mut trail = Trail::open(home.path(), LIMITS).unwrap();
        for number in 0..40 {
            trail.append(&[record(number)]).unwrap();
        }
        assert_eq!(numbers(home.path()).unwrap().len(), 3);
        let kept = read_all(home.path(), Cursor::default());
        assert_eq!(kept.last(), Some(&record(39)));
        let first = 40 - kept.len();
        let expected: Vec<String> = (first..40).map(record).collect();
        assert_eq!(kept, expected, "what is kept has no gap");
    }

    #[test]
    fn a_reader_goes_on_where_it_was_over_a_restart_and_a_new_file() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("sent.json");
        let mut trail = Trail::open(home.path(), LIMITS).unwrap();
        let mut read = Vec::new();
        for number in 0..12 {
            trail.append(&[record(number)]).unwrap();
            let (records, cursor) = Cursor::load(&place).read(home.path(), 5).unwrap();
            read.extend(records);
            cursor.save(&place).unwrap();
        }
        assert_eq!(read, (0..12).map(record).collect::<Vec<_>>());
    }

    #[test]
    fn a_place_that_cannot_be_is_the_start() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("sent.json");
        fs::write(&place, "{nonsense").unwrap();
        assert_eq!(Cursor::load(&place), Cursor::default());
        Trail::open(home.path(), LIMITS)
            .unwrap()
            .append(&[record(1)])
            .unwrap();
        let beyond = Cursor {
            file: 1,
            offset: 1 << 40,
        };
        assert_eq!(read_all(home.path(), beyond), [record(1)]);
    }
}
