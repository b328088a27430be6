//! Ridge regression in the graph, as `senti/src/models/basic.rs` computes it.

use senti::Result;
use senti::artifact::Manifest;
use senti::models::BasicParts;

use super::graph::Graph;
use super::proto::Kind;
use super::rows::Rows;
use super::{Told, features, preparation, target};

/// The whole model.
pub fn build(
    g: &mut Graph,
    rows: &mut Rows,
    manifest: &Manifest,
    parts: &BasicParts,
) -> Result<Told> {
    let (past, horizon) = (rows.past, rows.horizon);
    let matrix = features::build(g, rows, manifest, past)?;
    let narrow = preparation::build(g, &manifest.preparation, &matrix);
    let last_close = rows.last_close(g)?;
    g.within("basic", |g| {
        let inputs = past * manifest.features.len();
        let wide = g.cast("wide", &narrow, Kind::Double);
        let flat = g.reshape("flat", &wide, &[0, inputs as i64]);
        let coefficients = g.doubles("coefficients", &[inputs, horizon], &parts.coefficients);
        let intercept = g.doubles("intercept", &[horizon], &parts.intercept);
        let product = g.both("MatMul", "product", &flat, &coefficients);
        let encoded = g.both("Add", "encoded", &product, &intercept);
        let point = g.unsqueeze("encoded_by_step", &encoded, 2);
        let units = target::units(g, rows, &parts.target, false)?;
        Ok(target::around(
            g,
            &parts.target,
            &units,
            &last_close,
            &point,
            &parts.residuals,
        ))
    })
}
