//! The loads of a bench as a picture: one point for each first frame, and a line for their median.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use serde_json::json;

use super::{Bench, Summary};

#[derive(Debug, Serialize)]
struct Panel {
    title: String,
    y: f64,
    ticks: Vec<Tick>,
    rows: Vec<Row>,
    height: f64,
}

#[derive(Debug, Serialize)]
struct Tick {
    x: f64,
    says: String,
}

#[derive(Debug, Serialize)]
struct Row {
    player: String,
    y: f64,
    cold: Points,
    warm: Points,
}

#[derive(Debug, Serialize)]
struct Points {
    x: Vec<f64>,
    median_x: Option<f64>,
    median_ms: u64,
}

/// As SVG.
pub fn draw(bench: &Bench) -> anyhow::Result<String> {
    let mut panels = Vec::new();
    let mut y = TOP;
    for of in &bench.links {
        let loads = of.players.iter().flat_map(|of| [&of.cold, &of.warm]).flat_map(|of| &of.rounds);
        let most_ms = loads.map(|load| load.first_frame_ms).fold(1.0, f64::max);
        let step_ms = step_ms(most_ms);
        let x = |ms: f64| LEFT + ms / most_ms * WIDTH;
        let points = |of: &Summary| Points {
            x: of.rounds.iter().map(|load| x(load.first_frame_ms)).collect(),
            median_x: of.first_frame_ms.is_finite().then(|| x(of.first_frame_ms)),
            median_ms: of.first_frame_ms as u64,
        };
        let rows = of.players.iter().enumerate().map(|(place, of)| Row {
            player: of.player.clone(),
            y: ROW * (place as f64 + 0.5),
            cold: points(&of.cold),
            warm: points(&of.warm),
        });
        let ticks = (0..).map(|n| f64::from(n) * step_ms).take_while(|ms| *ms <= most_ms);
        panels.push(Panel {
            title: format!("{}, {}", of.link.says, of.form.says()),
            y,
            ticks: ticks.map(|ms| Tick { x: x(ms), says: format!("{ms} ms") }).collect(),
            rows: rows.collect(),
            height: ROW * of.players.len() as f64,
        });
        y += ROW * of.players.len() as f64 + BETWEEN;
    }
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let about = format!(
        "First frame behind the beginning of the navigation, {} {}, {} rounds, {}",
        bench.engine, bench.version, bench.rounds, bench.date
    );
    let width = LEFT + WIDTH + RIGHT;
    let picture = json!({ "panels": panels, "about": about, "width": width, "height": y, "left": LEFT });
    Ok(environment.render_str(include_str!("plot.svg"), Serde(picture))?)
}

/// Between two marks of the scale: some five of them.
fn step_ms(most_ms: f64) -> f64 {
    let least = most_ms / 6.0;
    let ten = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * ten).find(|step| *step >= least).unwrap_or(10.0 * ten)
}

/// Pixels.
const TOP: f64 = 74.0;
const LEFT: f64 = 130.0;
const WIDTH: f64 = 720.0;
const RIGHT: f64 = 40.0;
const ROW: f64 = 26.0;
const BETWEEN: f64 = 70.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_some_five_marks() {
        assert_eq!([1.0, 90.0, 400.0, 1234.0, 6400.0].map(step_ms), [0.2, 20.0, 100.0, 500.0, 2000.0]);
    }
}
