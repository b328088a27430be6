//! The font of the pictures: Inter, cut down and compiled in, so that words look the same on a machine that has no fonts.
//!
//! In come characters; out go outlines and widths, in units of the font's em. Nothing here knows where words stand.

use std::cell::OnceCell;

use ttf_parser::{Face, OutlineBuilder};

/// Weight of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

/// A piece of an outline; y grows downwards, as on a screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Piece {
    Move(f32, f32),
    Line(f32, f32),
    Quad(f32, f32, f32, f32),
    Cubic(f32, f32, f32, f32, f32, f32),
    Close,
}

/// Units of an em in both files.
pub(crate) const EM: f64 = 2048.0;

fn with_face<T>(weight: Weight, use_it: impl FnOnce(&Face<'static>) -> T) -> T {
    thread_local! {
        static FACES: [OnceCell<Face<'static>>; 2] = const { [OnceCell::new(), OnceCell::new()] };
    }
    FACES.with(|faces| {
        let face = faces[weight as usize].get_or_init(|| {
            let bytes: &[u8] = match weight {
                Weight::Regular => include_bytes!("font/Inter-Regular.ttf"),
                Weight::Bold => include_bytes!("font/Inter-SemiBold.ttf"),
            };
            Face::parse(bytes, 0).expect("the font is compiled in and whole")
        });
        use_it(face)
    })
}

/// Width of a character in font units; one that the font lacks is as wide as its empty box.
pub(crate) fn advance(weight: Weight, character: char) -> f64 {
    with_face(weight, |face| {
        let glyph = face.glyph_index(character).unwrap_or_default();
        f64::from(face.glyph_hor_advance(glyph).unwrap_or(0))
    })
}

/// Width of a text at this size.
pub(crate) fn width(weight: Weight, text: &str, size: f64) -> f64 {
    text.chars()
        .map(|character| advance(weight, character))
        .sum::<f64>()
        * size
        / EM
}

/// Outline of a character in font units; empty for a space.
pub(crate) fn outline(weight: Weight, character: char) -> Vec<Piece> {
    struct Pen(Vec<Piece>);
    impl OutlineBuilder for Pen {
        fn move_to(&mut self, x: f32, y: f32) {
            self.0.push(Piece::Move(x, -y));
        }
        fn line_to(&mut self, x: f32, y: f32) {
            self.0.push(Piece::Line(x, -y));
        }
        fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
            self.0.push(Piece::Quad(x1, -y1, x, -y));
        }
        fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
            self.0.push(Piece::Cubic(x1, -y1, x2, -y2, x, -y));
        }
        fn close(&mut self) {
            self.0.push(Piece::Close);
        }
    }
    with_face(weight, |face| {
        let mut pen = Pen(Vec::new());
        face.outline_glyph(face.glyph_index(character).unwrap_or_default(), &mut pen);
        pen.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Widths that fontTools printed when `font/make.py` made the files.
    #[test]
    fn digits_are_equally_wide() {
        for digit in '0'..='9' {
            assert_eq!(advance(Weight::Regular, digit), 1328.0);
            assert_eq!(advance(Weight::Bold, digit), 1325.0);
        }
        assert_eq!(width(Weight::Regular, "12", 2048.0), 2656.0);
    }

    #[test]
    fn a_missing_character_is_a_box_and_a_space_is_empty() {
        assert!(!outline(Weight::Regular, '語').is_empty());
        assert!(outline(Weight::Regular, ' ').is_empty());
    }
}
