//! The report card as a person reads it in a terminal: verdicts first, then the figures.
//!
//! In comes a [`ReportCard`]; out goes a text. Nothing is computed: `report_card.json` has everything, this a part.

use senti::card::{HorizonCard, ModelCard, Part, ReportCard, Returns, Shown, Skill, Test};
use senti_io::report::date;

use crate::grid::Grid;
use crate::say;

/// Verdicts, figures, alarms and warnings.
pub fn text(card: &ReportCard) -> String {
    let shown = |time: Option<i64>| time.map_or("-".to_owned(), |time| date(time, card.step));
    let mut text = format!(
        "{} from {} to {}, {} ahead, of `{}`\n\n",
        say::count(card.n_origins, "origin"),
        shown(card.first_origin),
        shown(card.last_origin),
        say::count(card.horizon, "step"),
        card.target,
    );
    for model in &card.models {
        text += &format!("{}: {}\n", model.model, model.verdict.title.to_uppercase());
        text += &format!("  {}\n  {}\n", model.verdict.sentence, model.verdict.point);
        if model.copycat.shifted && model.role != Part::Naive {
            text += &format!("  {}\n", model.copycat.sentence);
        }
        for alarm in &model.alarms {
            text += &format!("  ALARM: {}\n", alarm.sentence);
        }
    }
    text.push('\n');
    text += &table(card);
    text += &legend(card);
    if !card.confidence_sets.is_empty() {
        text.push('\n');
        for set in &card.confidence_sets {
            let members: Vec<&str> = (set.members.iter().rev())
                .filter(|member| member.included)
                .map(|member| member.model.as_str())
                .collect();
            text += &format!(
                "best {} with {:.0} % confidence: one of {}\n",
                match set.name.as_str() {
                    "all" => "over all steps".to_owned(),
                    step => format!("at h = {step}"),
                },
                100.0 * set.confidence,
                members.join(", ")
            );
        }
    }
    text += &trading(card);
    text += &format!("\n{}\n", card.tried.sentence);
    for warning in &card.warnings {
        text += &format!("note: {warning}\n");
    }
    text
}

/// One line a model and horizon.
fn table(card: &ReportCard) -> String {
    let mut grid = Grid::new(&[
        "h",
        "model",
        "MAE",
        "rMAE",
        "t",
        "CRPS",
        "skill",
        "t",
        "skill B",
        "t",
        "cov 50",
        "80",
        "90",
        "right side",
    ]);
    for (place, shown) in card.horizons.iter().enumerate() {
        for (n, model) in card.models.iter().enumerate() {
            let Some(row) = model.horizons.get(place) else {
                continue;
            };
            let name = if n == 0 {
                shown.name.clone()
            } else {
                String::new()
            };
            grid.row(line(name, shown, model, row));
        }
    }
    grid.numbers(2)
}

fn line(name: String, shown: &Shown, model: &ModelCard, row: &HorizonCard) -> Vec<String> {
    let some = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let skill = |skill: &Option<Skill>| {
        let skill = skill.as_ref();
        let share = skill.and_then(|skill| skill.skill);
        [
            some(share.map(|share| format!("{:+.2} %", 100.0 * share))),
            some(skill.and_then(|skill| test(shown, &skill.diebold_mariano))),
        ]
    };
    let covered = |nominal: f64| {
        let intervals = &row.distribution.as_ref()?.intervals;
        let found = intervals
            .iter()
            .find(|interval| (interval.nominal - nominal).abs() < 1e-9)?;
        Some(format!("{:.1}", 100.0 * found.coverage))
    };
    let mut cells = vec![
        name,
        model.model.clone(),
        format!("{:.5}", row.point.mae_log),
        some(row.point.relative_mae.map(|ratio| format!("{ratio:.4}"))),
        some(test(shown, &row.point.against_last_close)),
        some(
            row.distribution
                .as_ref()
                .map(|scores| format!("{:.5}", scores.crps_log)),
        ),
    ];
    cells.extend(skill(&row.against_naive));
    cells.extend(skill(&row.against_yardstick));
    cells.extend([0.5, 0.8, 0.9].map(|nominal| some(covered(nominal))));
    cells.push(some(row.direction.as_ref().map(|direction| {
        format!(
            "{:.1} ({:.1})",
            100.0 * direction.accuracy,
            100.0 * direction.base_rate
        )
    })));
    cells
}

/// A statistic; a star where the verdict counts it, a plus where only one that looks at nothing else would; nothing where there are too
/// few origins to judge.
fn test(shown: &Shown, test: &Test) -> Option<String> {
    let below = |p: Option<f64>| p.is_some_and(|p| p < 0.05);
    let mark = match () {
        () if !shown.judged => "",
        // only what the verdict is about is corrected over the whole table
        () if below(test.p_holm.or(test.p_holm_horizon)) => "*",
        () if below(test.p) => "+",
        () => "",
    };
    test.t.map(|t| format!("{t:.2}{mark}"))
}

fn legend(card: &ReportCard) -> String {
    let against = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
    format!(
        "\nMAE and CRPS in log price (0.01 is about 1 %); rMAE is MAE over that of the last close; skill is 1 - CRPS / CRPS of {}, skill B of {};\n\
         t is Diebold-Mariano's, positive where the model is better: * below {:.0} % after correction (skill against naive: as the verdict does, over the whole table; else Holm over the models); + only by itself; cov is the share\n\
         that came true inside the 50, 80 and 90 % intervals; right side of the last close in %, in brackets what always naming the more frequent side would get\n",
        against(&card.naive),
        against(&card.yardstick),
        100.0 * card.significance
    )
}

/// What trading would have brought, where it was asked for.
fn trading(card: &ReportCard) -> String {
    let mut grid = Grid::new(&[
        "trading",
        "money from 1",
        "Sharpe",
        "worst fall",
        "in the market",
        "trades",
    ]);
    let mut notes = Vec::new();
    for model in &card.models {
        let Some(trading) = &model.trading else {
            continue;
        };
        let mut row = |name: String, returns: &Returns| {
            let sharpe = returns
                .sharpe
                .map_or("-".to_owned(), |value| format!("{value:.2}"));
            grid.row([
                name,
                format!("{:.3}", returns.money),
                sharpe,
                format!("{:.1} %", 100.0 * returns.drawdown),
                format!("{:.0} %", 100.0 * returns.exposure),
                returns.trades.to_string(),
            ]);
        };
        row(model.model.clone(), &trading.model);
        if notes.is_empty() {
            row("  buy and hold".into(), &trading.buy_and_hold);
        }
        row("  random entries".into(), &trading.random);
        notes.push(format!("{}: {}", model.model, trading.sentence));
    }
    match notes.is_empty() {
        true => String::new(),
        false => format!("\n{}{}\n", grid.numbers(1), notes.join("\n")),
    }
}
