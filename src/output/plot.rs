//! Latency by depth as a picture: the only user of plotters.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::units;
use crate::error::{Error, Result};

/// Pixels.
const WIDTH: u32 = 900;
/// Pixels, for the title and for each panel.
const TITLE: u32 = 84;
const PANEL: u32 = 380;
/// Colours that also the colour-blind tell apart (Okabe and Ito): blue, vermilion, green, purple.
const COLORS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
];

/// One coordinate system.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// What it shows.
    pub(crate) title: String,
    /// Its lines, in the order of the legend.
    pub(crate) series: Vec<Series>,
}

/// What one subject shows: a line for the P50, a dashed one for the P95.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// The subject's name.
    pub(crate) name: String,
    /// By growing depth.
    pub(crate) points: Vec<Point>,
}

/// The latencies at one depth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Events before the page.
    pub(crate) offset: f64,
    /// Microseconds, above 0.
    pub p50_us: f64,
    /// Microseconds, above 0.
    pub p95_us: f64,
}

/// The panels one below the other, as an SVG document. The latency's axis is logarithmic.
///
/// # Errors
/// There is nothing to draw.
pub(crate) fn svg(title: &str, subtitle: &str, panels: &[Panel]) -> Result<String> {
    let mut text = String::new();
    let height = TITLE + PANEL * u32::try_from(panels.len()).unwrap_or(1);
    let drawn = draw(
        SVGBackend::with_string(&mut text, (WIDTH, height)),
        title,
        subtitle,
        panels,
    );
    drawn.map_err(|error| Error::Plot(error.to_string()))?;
    Ok(text)
}

type Area<'backend> = DrawingArea<SVGBackend<'backend>, Shift>;
type Failure = Box<dyn std::error::Error>;

fn draw(backend: SVGBackend<'_>, title: &str, subtitle: &str, panels: &[Panel]) -> std::result::Result<(), Failure> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    let (head, body) = area.split_vertically(TITLE);
    head.draw_text(title, &("sans-serif", 22).into_font().into(), (16, 8))?;
    head.draw_text(
        subtitle,
        &("sans-serif", 15).into_font().color(&BLACK.mix(0.7)),
        (16, 34),
    )?;
    draw_legend(panels, &head)?;
    for (panel, area) in panels.iter().zip(body.split_evenly((panels.len(), 1))) {
        draw_panel(panel, &area)?;
    }
    area.present()?;
    Ok(())
}

fn colored(panel: &Panel) -> impl Iterator<Item = (&Series, &RGBColor)> {
    panel.series.iter().zip(COLORS.iter().cycle())
}

/// One for all panels: they show the same subjects.
fn draw_legend(panels: &[Panel], area: &Area<'_>) -> std::result::Result<(), Failure> {
    let (mut x, y) = (16, 66);
    for (series, color) in panels.first().into_iter().flat_map(colored) {
        let dash = |from, to, width| PathElement::new([(from, y), (to, y)], color.stroke_width(width));
        area.draw(&dash(x, x + 28, 2))?;
        area.draw_text(
            &format!("{} P50", series.name),
            &("sans-serif", 15).into_font().into(),
            (x + 34, y - 8),
        )?;
        x += 150;
        for start in [x, x + 10, x + 20] {
            area.draw(&dash(start, start + 6, 1))?;
        }
        area.draw_text(
            &format!("{} P95", series.name),
            &("sans-serif", 15).into_font().into(),
            (x + 34, y - 8),
        )?;
        x += 150;
    }
    Ok(())
}

fn draw_panel(panel: &Panel, area: &Area<'_>) -> std::result::Result<(), Failure> {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let deepest = points().map(|point| point.offset).fold(1.0, f64::max);
    let fastest = points().map(|point| point.p50_us).fold(f64::INFINITY, f64::min);
    let slowest = points().map(|point| point.p95_us).fold(0.0, f64::max);
    if !(fastest > 0.0 && slowest >= fastest) {
        return Err("there is no latency above 0".into());
    }
    let decades = 10_f64.powf(fastest.log10().floor())..10_f64.powf(slowest.log10().floor() + 1.0);
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 17))
        .margin(14)
        .margin_right(34)
        .x_label_area_size(46)
        .y_label_area_size(86)
        .build_cartesian_2d(0.0..deepest, decades.log_scale())?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.14))
        .label_style(("sans-serif", 14))
        .x_desc("events before the page")
        .y_desc("latency (logarithmic)")
        .x_label_formatter(&|offset| units::whole(*offset))
        .y_label_formatter(&|us| units::bound(*us))
        .draw()?;
    for (series, color) in colored(panel) {
        let line = |value: fn(&Point) -> f64| series.points.iter().map(move |it| (it.offset, value(it)));
        chart.draw_series(LineSeries::new(line(|point| point.p50_us), color.stroke_width(2)))?;
        let dashes = DashedLineSeries::new(line(|point| point.p95_us), 6, 4, color.stroke_width(1));
        chart.draw_series(dashes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(p50_us: f64) -> Panel {
        let point = |offset| Point {
            offset,
            p50_us,
            p95_us: p50_us * 3.0,
        };
        let series = |name: &str| Series {
            name: name.to_owned(),
            points: vec![point(0.0), point(5e4)],
        };
        Panel {
            title: "a <panel>".to_owned(),
            series: vec![series("baseline"), series("enhanced")],
        }
    }

    #[test]
    fn every_subject_is_in_the_picture() {
        let text = svg("title", "subtitle", &[panel(2.0), panel(70.0)]).unwrap();
        for part in [
            "<svg",
            "</svg>",
            "title",
            "baseline P50",
            "enhanced P95",
            "a &lt;panel&gt;",
            "10 µs",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn no_latency_is_no_picture() {
        let empty = Panel {
            title: String::new(),
            series: Vec::new(),
        };
        for panel in [empty, panel(0.0)] {
            let error = svg("", "", &[panel]).unwrap_err().to_string();
            assert!(error.starts_with("the plot cannot be drawn"), "{error}");
        }
    }
}
