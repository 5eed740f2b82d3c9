//! The table that people read: a row a figure, a column a system.

use std::fmt;

/// Rows in the order in which their names first came.
pub struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<Vec<String>>)>,
}

impl Table {
    pub fn new(columns: impl Iterator<Item = String>) -> Self {
        Table {
            columns: columns.collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a value; one of several rounds goes beside the others.
    pub fn add(&mut self, column: usize, what: &str, value: String) {
        let at = self.rows.iter().position(|(name, _)| name == what);
        let at = at.unwrap_or_else(|| {
            self.rows
                .push((what.to_owned(), vec![Vec::new(); self.columns.len()]));
            self.rows.len() - 1
        });
        self.rows[at].1[column].push(value);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![vec![String::new()]];
        lines[0].extend(self.columns.iter().cloned());
        for (what, values) in &self.rows {
            let mut line = vec![what.clone()];
            line.extend(values.iter().map(|rounds| rounds.join("; ")));
            lines.push(line);
        }
        let widths: Vec<usize> = (0..=self.columns.len())
            .map(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0))
            .collect();
        for (index, line) in lines.iter().enumerate() {
            if index == 1 {
                let rule = widths.iter().map(|width| "-".repeat(width + 2));
                writeln!(f, "|{}|", rule.collect::<Vec<_>>().join("|"))?;
            }
            for (text, width) in line.iter().zip(&widths) {
                write!(f, "| {text:width$} ")?;
            }
            writeln!(f, "|")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_stand_beside_each_other_and_a_missing_figure_leaves_a_gap() {
        let mut table = Table::new(["A", "B"].map(String::from).into_iter());
        table.add(0, "speed", "1 s".into());
        table.add(0, "speed", "2 s".into());
        table.add(1, "size", "3 MB".into());
        let expected = "\
|       | A        | B    |
|-------|----------|------|
| speed | 1 s; 2 s |      |
| size  |          | 3 MB |
";
        assert_eq!(table.to_string(), expected);
    }
}
