//! Figures as a picture: the only user of plotters.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::{Error, Result};

/// Pixels. Narrow, with large letters, so that it can be read on a telephone, too.
const WIDTH: u32 = 760;
const TITLE: u32 = 44;
const CAPTION_LINE: u32 = 20;
const LEGEND_LINE: u32 = 26;
const PANEL: u32 = 340;
/// Colours that also the colour-blind tell apart (Okabe and Ito): vermilion, blue.
const COLORS: [RGBColor; 2] = [RGBColor(213, 94, 0), RGBColor(0, 114, 178)];
/// Characters of a caption that fit into the width.
const CAPTION_WIDTH: usize = 104;

/// Panels one below the other, with what a reader must know of them.
#[derive(Debug)]
pub(crate) struct Picture {
    /// What it shows.
    pub(crate) title: &'static str,
    /// Of which log, on which machine, by which command: one paragraph each.
    pub(crate) caption: Vec<String>,
    /// All with the same lines.
    pub(crate) panels: Vec<Panel>,
}

/// One coordinate system. The upright axis is logarithmic.
#[derive(Debug)]
pub(crate) struct Panel {
    /// What it shows.
    pub(crate) title: String,
    /// What the axes count.
    pub(crate) x: Axis,
    /// The same, of numbers above 0.
    pub(crate) y: Axis,
    /// In the order of the legend.
    pub(crate) lines: Vec<Line>,
    /// A place on the first axis, and what is there.
    pub(crate) mark: Option<(f64, String)>,
}

/// What an axis counts.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// In words.
    pub(crate) label: &'static str,
    /// What stands at it.
    pub(crate) labels: Labels,
}

/// What stands at an axis.
#[derive(Clone, Debug)]
pub(crate) enum Labels {
    /// Numbers, written so.
    Numbers(fn(f64) -> String),
    /// A name at 0, at 1 and so on.
    Names(Vec<String>),
}

impl Labels {
    fn at(&self, number: f64) -> String {
        match self {
            Labels::Numbers(format) => format(number),
            Labels::Names(names) => {
                let is_whole = number >= 0.0 && (number - number.round()).abs() < 1e-6;
                let name = is_whole.then(|| names.get(number.round() as usize)).flatten();
                name.cloned().unwrap_or_default()
            }
        }
    }

    /// How many there are, about.
    fn count(&self) -> usize {
        match self {
            Labels::Numbers(_) => 6,
            Labels::Names(names) => names.len(),
        }
    }
}

/// One line of a panel.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What the legend says.
    pub(crate) name: String,
    /// Lines of one subject have one colour: a place among a few.
    pub(crate) color: usize,
    /// Tells lines of one colour apart, also where there are no colours.
    pub(crate) is_dashed: bool,
    /// From left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// The picture as an SVG document. Its ground is white, whatever it is shown on.
///
/// # Errors
/// There is nothing to draw.
pub(crate) fn svg(picture: &Picture) -> Result<String> {
    let caption = wrapped(&picture.caption);
    let legend = picture.panels.first().map_or(0, |panel| panel.lines.len().div_ceil(2));
    let head = TITLE + CAPTION_LINE * caption.len() as u32 + LEGEND_LINE * legend as u32;
    let height = head + PANEL * picture.panels.len() as u32;
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    draw(&area, picture, &caption, head).map_err(|error| Error::Plot(error.to_string()))?;
    drop(area);
    Ok(with_description(&text, picture))
}

/// The document with what a screen reader says of it.
fn with_description(document: &str, picture: &Picture) -> String {
    let of_line = |panel: &Panel, line: &Line| {
        let at = |point: &(f64, f64)| format!("{} at {}", panel.y.labels.at(point.1), panel.x.labels.at(point.0));
        let ends = [line.points.first(), line.points.last()];
        let ends: Vec<_> = ends.into_iter().flatten().map(at).collect();
        format!("{} {}", line.name, ends.join(", "))
    };
    let of_panel = |panel: &Panel| {
        let lines: Vec<_> = panel.lines.iter().map(|line| of_line(panel, line)).collect();
        let title = if panel.title.is_empty() {
            panel.y.label
        } else {
            &panel.title
        };
        format!("{title}, by {}: {}.", panel.x.label, lines.join("; "))
    };
    let panels: Vec<_> = picture.panels.iter().map(of_panel).collect();
    let (title, description) = (xml(picture.title), xml(&panels.join(" ")));
    match document.split_once('>') {
        Some((start, rest)) => {
            format!("{start} role=\"img\">\n<title>{title}</title>\n<desc>{description}</desc>{rest}")
        }
        None => document.to_owned(),
    }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The lines of the caption.
fn wrapped(paragraphs: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in paragraphs {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + word.chars().count() >= CAPTION_WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

type Area<'backend> = DrawingArea<SVGBackend<'backend>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(area: &Area<'_>, picture: &Picture, caption: &[String], head: u32) -> Drawn {
    area.fill(&WHITE)?;
    let (top, body) = area.split_vertically(head);
    top.draw_text(picture.title, &("sans-serif", 24).into_font().into(), (16, 10))?;
    let small = ("sans-serif", 14).into_font().color(&BLACK.mix(0.75));
    let mut y = TITLE.cast_signed();
    for line in caption {
        top.draw_text(line, &small, (16, y))?;
        y += CAPTION_LINE.cast_signed();
    }
    if let Some(panel) = picture.panels.first() {
        draw_legend(&panel.lines, &top, y)?;
    }
    for (panel, area) in picture.panels.iter().zip(body.split_evenly((picture.panels.len(), 1))) {
        draw_panel(panel, &area)?;
    }
    area.present()?;
    Ok(())
}

fn color(line: &Line) -> RGBColor {
    COLORS[line.color % COLORS.len()]
}

/// Two lines beside each other.
fn draw_legend(lines: &[Line], area: &Area<'_>, top: i32) -> Drawn {
    for (place, line) in (0_i32..).zip(lines) {
        let x = 16 + (place % 2) * (WIDTH.cast_signed() / 2);
        let y = top + (place / 2) * LEGEND_LINE.cast_signed() + LEGEND_LINE.cast_signed() / 2;
        let dashes: &[_] = if line.is_dashed {
            &[(0, 8), (13, 21), (26, 34)]
        } else {
            &[(0, 34)]
        };
        for (from, to) in dashes {
            let stroke = color(line).stroke_width(3);
            area.draw(&PathElement::new([(x + from, y), (x + to, y)], stroke))?;
        }
        area.draw_text(&line.name, &("sans-serif", 17).into_font().into(), (x + 44, y - 10))?;
    }
    Ok(())
}

fn draw_panel(panel: &Panel, area: &Area<'_>) -> Drawn {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let least = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let greatest = points().map(|point| point.1).fold(0.0, f64::max);
    if !(least > 0.0 && greatest >= least) {
        return Err("there is no figure above 0".into());
    }
    let decades = 10_f64.powf(least.log10().floor())..10_f64.powf(greatest.log10().floor() + 1.0);
    let first = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let last = points().map(|point| point.0).fold(first + 1.0, f64::max);
    let margin = (last - first) * 0.03;
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 19))
        .margin(12)
        .margin_right(30)
        .x_label_area_size(48)
        .y_label_area_size(96)
        .build_cartesian_2d(first - margin..last + margin, decades.clone().log_scale())?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .light_line_style(BLACK.mix(0.05))
        .bold_line_style(BLACK.mix(0.15))
        .label_style(("sans-serif", 16))
        .axis_desc_style(("sans-serif", 16))
        .x_labels(panel.x.labels.count())
        .x_desc(panel.x.label)
        .y_desc(panel.y.label)
        .x_label_formatter(&|x| panel.x.labels.at(*x))
        .y_label_formatter(&|y| panel.y.labels.at(*y))
        .draw()?;
    if let Some((x, what)) = &panel.mark {
        let upright = [(*x, decades.start), (*x, decades.end)];
        chart.draw_series(DashedLineSeries::new(upright, 3, 4, BLACK.mix(0.6).stroke_width(1)))?;
        let place = plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Right,
            plotters::style::text_anchor::VPos::Top,
        );
        let style = ("sans-serif", 15).into_font().color(&BLACK.mix(0.75)).pos(place);
        chart.draw_series([Text::new(what.clone(), (x - margin / 4.0, decades.end * 0.8), style)])?;
    }
    for line in &panel.lines {
        let points = line.points.iter().copied();
        if line.is_dashed {
            chart.draw_series(DashedLineSeries::new(points, 8, 5, color(line).stroke_width(3)))?;
        } else {
            chart.draw_series(LineSeries::new(points, color(line).stroke_width(3)))?;
        }
        // A line of one point would not be seen.
        let dots = line
            .points
            .iter()
            .map(|point| Circle::new(*point, 3, color(line).filled()));
        chart.draw_series(dots)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::units;

    fn picture(least: f64) -> Picture {
        let axis = |label, format| Axis {
            label,
            labels: Labels::Numbers(format),
        };
        let line = |name: &str, color, is_dashed| Line {
            name: name.to_owned(),
            color,
            is_dashed,
            points: vec![(1.0, least), (5e4, least * 3.0)],
        };
        Picture {
            title: "title",
            caption: vec!["word ".repeat(60), "auditq bench --plot '<p>.svg'".to_owned()],
            panels: vec![Panel {
                title: "a <panel>".to_owned(),
                x: axis("page", units::whole),
                y: axis("latency", units::bound),
                lines: vec![line("baseline", 0, false), line("enhanced", 1, true)],
                mark: Some((5e4, "end of the log".to_owned())),
            }],
        }
    }

    #[test]
    fn all_that_must_be_known_is_in_the_picture() {
        let text = svg(&picture(2.0)).unwrap();
        for part in [
            "<svg",
            "</svg>",
            "title",
            "baseline",
            "enhanced",
            "a &lt;panel&gt;",
            "&lt;p&gt;.svg",
            "end of the log",
            "10 µs",
            "role=\"img\">\n<title>title</title>",
            "<desc>a &lt;panel&gt;, by page: baseline 2 µs at 1, 6 µs at 50,000; enhanced 2 µs at 1, 6 µs at 50,000.</desc>",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn a_caption_is_broken_at_words() {
        let lines = wrapped(&["word ".repeat(60), "short".to_owned()]);
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.len() <= CAPTION_WIDTH));
        assert_eq!(lines.join(" ").split_whitespace().count(), 61);
    }

    #[test]
    fn a_name_stands_at_its_place_only() {
        let labels = Labels::Names(vec!["0".to_owned(), "100".to_owned()]);
        assert_eq!(
            [0.0, 0.5, 1.0, 2.0, -1.0].map(|x| labels.at(x)),
            ["0", "", "100", "", ""]
        );
    }

    #[test]
    fn no_figure_is_no_picture() {
        let mut empty = picture(1.0);
        empty.panels[0].lines.clear();
        for picture in [empty, picture(0.0)] {
            let error = svg(&picture).unwrap_err().to_string();
            assert!(error.starts_with("the plot cannot be drawn"), "{error}");
        }
    }
}
