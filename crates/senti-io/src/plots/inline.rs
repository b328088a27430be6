//! A scene as SVG inside a page: classes instead of colours, so that a dark page can paint it otherwise, and words as text in the
//! reader's own font.
//!
//! In come a scene and what lies over it; out goes an `svg` element without paper, as wide as the page lets it be.

use std::fmt::Write;

use super::font;
use super::scene::{Anchor, Color, Item, Scene, Stroke, paint};
use super::svg::{Short, escape, hex, path};

/// The scene as an element of this class; `over` is SVG of the caller's own, on top.
pub(crate) fn inline(scene: &Scene, class: &str, over: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<svg class=\"{class}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
        Short(scene.width),
        Short(scene.height),
        escape(&scene.title)
    );
    for item in &scene.items {
        write_item(&mut out, item);
    }
    out.push_str(over);
    out.push_str("</svg>\n");
    out
}

/// A legend's sample of a line: 24 by 12.
pub(crate) fn swatch(stroke: Option<Stroke>, area: Option<(Color, f64)>) -> String {
    let mut scene = Scene::new(24.0, 12.0, "");
    if let Some((color, opacity)) = area {
        scene.rect((0.0, 0.0), (24.0, 12.0), color, opacity);
    }
    if let Some(stroke) = stroke {
        scene.line(&[(0.0, 6.0), (24.0, 6.0)], stroke);
    }
    let mut out = "<svg class=\"swatch\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">".to_owned();
    for item in &scene.items {
        write_item(&mut out, item);
    }
    out.push_str("</svg>");
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
            "<path {} fill-opacity=\"{}\" d=\"{}Z\"/>",
            paint_of("fill", *fill),
            Short(*opacity),
            path(points)
        ),
        Item::Line { points, stroke } => {
            let dash = stroke.dash.map_or(String::new(), |(dash, gap)| {
                format!(" stroke-dasharray=\"{} {}\"", Short(dash), Short(gap))
            });
            writeln!(
                out,
                "<path fill=\"none\" {} stroke-width=\"{}\"{dash} d=\"{}\"/>",
                paint_of("stroke", stroke.color),
                Short(stroke.width),
                path(points)
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
                "<g {} fill-opacity=\"{}\">",
                paint_of("fill", *fill),
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
            // The reader's font has other widths than ours: the text hangs where it was meant to hang.
            let width = font::width(style.weight, text, style.size);
            let (anchor, x) = match style.anchor {
                Anchor::Start => ("start", at.0),
                Anchor::Middle => ("middle", at.0 + width / 2.0),
                Anchor::End => ("end", at.0 + width),
            };
            let bold = match style.weight {
                font::Weight::Regular => "",
                font::Weight::Bold => " font-weight=\"600\"",
            };
            writeln!(
                out,
                "<text {} x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{anchor}\"{bold}>{}</text>",
                paint_of("fill", style.color),
                Short(x),
                Short(at.1),
                Short(style.size),
                escape(text)
            )
        }
    };
}

/// The class of a colour that pages know, else the colour itself.
fn paint_of(what: &str, color: Color) -> String {
    let known = paint::NAMES.iter().find(|(known, _)| *known == color);
    match known {
        Some((_, name)) => format!("class=\"{what}-{name}\""),
        None => format!("{what}=\"{}\"", hex(color)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::scene::Style;

    /// By hand.
    #[test]
    fn text_hangs_where_it_was_meant_to() {
        let mut scene = Scene::new(100.0, 50.0, "a \"b\" <c>");
        let style = Style::new(10.0, paint::BLUE);
        scene.text((40.0, 20.0), "x & y", style.anchor(Anchor::Middle));
        let svg = inline(&scene, "wide", "");
        assert!(
            svg.contains(">x &amp; y</text>") && svg.contains("x=\"40\""),
            "{svg}"
        );
        assert!(svg.contains("text-anchor=\"middle\"") && svg.contains("class=\"fill-blue\""));
        assert!(svg.contains("aria-label=\"a &quot;b&quot; &lt;c&gt;\""));
    }

    /// Every named colour is painted by a class, and none twice.
    #[test]
    fn names_are_distinct() {
        for (index, (color, name)) in paint::NAMES.iter().enumerate() {
            assert_eq!(paint_of("fill", *color), format!("class=\"fill-{name}\""));
            assert!(
                paint::NAMES[..index]
                    .iter()
                    .all(|(c, n)| c != color && n != name)
            );
        }
    }
}
