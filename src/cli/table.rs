//! Aligned columns and trees for a terminal, where a Chinese character is two columns wide.

use unicode_width::UnicodeWidthStr;

use super::words::grouped;

/// A cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Aligned left.
    Text(String),
    /// Aligned right.
    Number(String),
}

impl Cell {
    /// A text cell.
    pub fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    /// A count, with separators.
    pub fn count(number: u64) -> Cell {
        Cell::Number(grouped(number))
    }

    fn width(&self) -> usize {
        match self {
            Cell::Text(text) | Cell::Number(text) => text.width(),
        }
    }

    fn padded(&self, width: usize) -> String {
        let gap = " ".repeat(width.saturating_sub(self.width()));
        match self {
            Cell::Text(text) => format!("{text}{gap}"),
            Cell::Number(text) => format!("{gap}{text}"),
        }
    }
}

/// The rows as lines with two blanks between columns; no blanks at line ends.
pub fn aligned(rows: &[Vec<Cell>]) -> String {
    aligned_from(rows, &mut Vec::new())
}

/// The same for rows that come in blocks: `widths` are those of the blocks before and are widened.
pub fn aligned_from(rows: &[Vec<Cell>], widths: &mut Vec<usize>) -> String {
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        row.iter().zip(widths.iter_mut()).for_each(|(cell, width)| *width = cell.width().max(*width));
    }
    rows.iter().map(|row| line(row, widths)).collect()
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| cell.padded(*width)).collect();
    format!("{}\n", cells.join("  ").trim_end())
}

/// A node of a tree to print: its text, its number, what lies below.
pub struct Node<'a> {
    pub text: &'a str,
    pub count: u64,
    pub children: Vec<Node<'a>>,
}

/// The tree, indented by two, with its numbers aligned right of the texts.
pub fn tree(root: &Node) -> String {
    let mut rows = Vec::new();
    grow(root, 0, &mut rows);
    aligned(&rows)
}

fn grow(node: &Node, depth: usize, rows: &mut Vec<Vec<Cell>>) {
    let text = format!("{}{}", "  ".repeat(depth), node.text);
    rows.push(vec![Cell::Text(text), Cell::count(node.count)]);
    for child in &node.children {
        grow(child, depth + 1, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_two_columns() {
        let leaf = |text, count| Node { text, count, children: Vec::new() };
        let root = Node {
            text: "all",
            count: 12,
            children: vec![leaf("gender = '女'", 1_234_567), leaf("did pay", 9)],
        };
        let lines: Vec<String> = tree(&root).lines().map(String::from).collect();
        assert_eq!(
            lines,
            ["all                     12", "  gender = '女'  1,234,567", "  did pay                9"]
        );
    }

    #[test]
    fn ragged_rows_are_aligned_and_nothing_gives_nothing() {
        let rows = [vec![Cell::text("a"), Cell::count(1)], vec![Cell::text("long")]];
        assert_eq!(aligned(&rows), "a     1\nlong\n");
        assert_eq!(aligned(&[]), "");
    }
}
