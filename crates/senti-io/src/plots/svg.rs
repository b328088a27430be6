//! A scene as SVG text. Words are drawn as outlines, each character defined once; their wording stands beside them for screen readers.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::font::{self, EM, Piece, Weight};
use super::scene::{Color, Item, Point, Scene, paint};

pub(super) fn write(scene: &Scene) -> String {
    let mut out = String::new();
    let (width, height) = (Short(scene.width), Short(scene.height));
    let title = escape(&scene.title);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n"
    );
    define_glyphs(&mut out, scene);
    let _ = writeln!(
        out,
        "<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>",
        hex(paint::PAPER)
    );
    for item in &scene.items {
        write_item(&mut out, item);
    }
    out.push_str("</svg>\n");
    out
}

fn write_item(out: &mut String, item: &Item) {
    let _ = match item {
        Item::Area {
            points,
            fill,
            opacity,
        } => writeln!(
            out,
            "<path d=\"{}Z\" fill=\"{}\" fill-opacity=\"{}\"/>",
            path(points),
            hex(*fill),
            Short(*opacity)
        ),
        Item::Line { points, stroke } => {
            let dash = match stroke.dash {
                Some((dash, gap)) => {
                    format!(" stroke-dasharray=\"{} {}\"", Short(dash), Short(gap))
                }
                None => String::new(),
            };
            writeln!(
                out,
                "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{dash}/>",
                path(points),
                hex(stroke.color),
                Short(stroke.width)
            )
        }
        Item::Dots {
            points,
            radius,
            fill,
            opacity,
        } => {
            let _ = writeln!(
                out,
                "<g fill=\"{}\" fill-opacity=\"{}\">",
                hex(*fill),
                Short(*opacity)
            );
            for (x, y) in points {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
                    Short(*x),
                    Short(*y),
                    Short(*radius)
                );
            }
            writeln!(out, "</g>")
        }
        Item::Text { at, text, style } => {
            let _ = write!(
                out,
                "<g role=\"img\" aria-label=\"{}\" fill=\"{}\" transform=\"translate({} {}) scale({})\">",
                escape(text),
                hex(style.color),
                Short(at.0),
                Short(at.1),
                (style.size / EM * 1e6).round() / 1e6
            );
            let mut x = 0.0;
            for character in text.chars() {
                if !character.is_whitespace() {
                    let id = glyph_id(style.weight, character);
                    let _ = write!(out, "<use href=\"#{id}\" x=\"{}\"/>", Short(x));
                }
                x += font::advance(style.weight, character);
            }
            writeln!(out, "</g>")
        }
    };
}

fn glyph_id(weight: Weight, character: char) -> String {
    let mark = match weight {
        Weight::Regular => 'r',
        Weight::Bold => 'b',
    };
    format!("{mark}{:x}", u32::from(character))
}

fn define_glyphs(out: &mut String, scene: &Scene) {
    let mut glyphs = BTreeSet::new();
    for item in &scene.items {
        if let Item::Text { text, style, .. } = item {
            glyphs.extend(
                text.chars()
                    .filter(|character| !character.is_whitespace())
                    .map(|character| (style.weight, character)),
            );
        }
    }
    out.push_str("<defs>\n");
    for (weight, character) in glyphs {
        let _ = write!(out, "<path id=\"{}\" d=\"", glyph_id(weight, character));
        for piece in font::outline(weight, character) {
            let _ = match piece {
                Piece::Move(x, y) => write!(out, "M{x} {y}"),
                Piece::Line(x, y) => write!(out, "L{x} {y}"),
                Piece::Quad(a, b, x, y) => write!(out, "Q{a} {b} {x} {y}"),
                Piece::Cubic(a, b, c, d, x, y) => write!(out, "C{a} {b} {c} {d} {x} {y}"),
                Piece::Close => write!(out, "Z"),
            };
        }
        out.push_str("\"/>\n");
    }
    out.push_str("</defs>\n");
}

pub(super) fn path(points: &[Point]) -> String {
    let mut out = String::with_capacity(points.len() * 14);
    for (index, (x, y)) in points.iter().enumerate() {
        let mark = if index == 0 { 'M' } else { 'L' };
        let _ = write!(out, "{mark}{} {}", Short(*x), Short(*y));
    }
    out
}

/// A number with at most two decimals: a fiftieth of a pixel is enough.
pub(crate) struct Short(pub f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", (self.0 * 100.0).round() / 100.0)
    }
}

pub(super) fn hex(Color(red, green, blue): Color) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Text that may stand in XML or HTML, in an attribute between double quotes, too. Control characters have no place there.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
