//! `senti-ai import FILE`: a model around weights that Keras, PyTorch or `senti-ai export` wrote.
//!
//! In come a file and settings; out goes what `train` gives, from the same door: features, preparation, calibration and scores are learned from
//! the user's rows, the network's weights are those of the file and nothing is trained. What the file says of itself (layers, outputs, steps) takes
//! the place of everything but a flag.

use std::path::Path;

use senti::plan::Loss;
use senti_io::weights::import::{Import, read};

use crate::failure::{Outcome, hinted, usage};
use crate::settings::Settings;
use crate::{say, train};

/// Imports.
pub fn run(file: &str, mut settings: Settings) -> Outcome {
    let import = open(Path::new(file))?;
    let Import {
        imported,
        steps,
        plan,
        ..
    } = &import;
    if let Some(plan) = plan {
        // a file of ours says how its network was trained
        for (name, value) in [("loss", plan.loss_name()), ("target", plan.target_name())] {
            settings.recall(name, Some(value))?;
        }
    }
    let steps = steps.or(plan.as_ref().map(|plan| plan.input_seq_length));
    if let Some(steps) = steps {
        settings.recall("input_seq_length", Some(&steps.to_string()))?;
    }
    let loss = match settings.text("loss") {
        Some("pinball") => Loss::Pinball,
        _ => Loss::Mse,
    };
    // what cannot be divided into steps is refused below, by its number of outputs
    let horizon = imported.horizon(loss).unwrap_or(imported.outputs());
    settings.recall("forecast_horizon", Some(&horizon.to_string()))?;
    let mut draft = train::draft(&settings)?;
    draft.units = imported.units().to_vec();
    draft.epochs = 0;
    // nothing is dropped while forecasting, and nothing is trained
    draft.dropout = 0.0;
    let plan = draft.check().map_err(|error| {
        usage(hinted(
            error,
            "`senti-ai import --help` shows what can be chosen",
        ))
    })?;
    imported.fits_plan(&plan)?;
    train::start(&settings, &plan, Some(imported))
}

/// Reads a file of weights and says what was found.
pub fn open(file: &Path) -> Outcome<Import> {
    let import = read(file)?;
    let imported = &import.imported;
    let units: Vec<String> = imported.units().iter().map(usize::to_string).collect();
    say::note(&format!(
        "{}: bidirectional LSTM of {} units, {} a step in, {} out",
        imported.origin().format,
        units.join(","),
        say::count(imported.features(), "column"),
        imported.outputs()
    ));
    import.notes.iter().for_each(|note| say::note(note));
    Ok(import)
}
