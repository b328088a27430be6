//! A plain table of texts: columns in line, nothing else.
//!
//! In come rows; out goes a text that reads well without colour, in a narrow terminal, and behind `cut` or `awk`.

/// Rows of equally many cells.
pub struct Grid {
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        let headings = headings.iter().map(|text| (*text).to_owned()).collect();
        Self {
            rows: vec![headings],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // A row is a line, whatever a name holds.
        let cells = cells.into_iter().map(|cell| cell.replace('\n', "\\n"));
        self.rows.push(cells.collect());
    }

    /// All columns to the left.
    pub fn left(&self) -> String {
        self.draw(usize::MAX)
    }

    /// The first `left` columns to the left, numbers to the right.
    pub fn numbers(&self, left: usize) -> String {
        self.draw(left)
    }

    fn draw(&self, left: usize) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column > 0 {
                    line += "  ";
                }
                let pad = " ".repeat(width - cell.chars().count());
                match column < left {
                    true => line += &(cell.clone() + &pad),
                    false => line += &(pad + cell),
                }
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut grid = Grid::new(&["name", "score"]);
        grid.row(["µ".into(), "1.5".into()]);
        grid.row(["longer".into(), "10.25".into()]);
        assert_eq!(
            grid.numbers(1),
            "name    score\nµ         1.5\nlonger  10.25\n"
        );
        assert_eq!(grid.left(), "name    score\nµ       1.5\nlonger  10.25\n");
    }
}
