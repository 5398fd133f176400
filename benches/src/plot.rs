//! The plot: microseconds per operation against the number of tasks, both by powers of ten.

use std::fmt::Write;

/// A point of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// The line it belongs to.
    pub(crate) series: String,
    /// How many tasks there are.
    pub(crate) size: u64,
    pub(crate) micros: f64,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Colours that differ for most eyes (Okabe and Ito).
const COLOURS: [&str; 8] = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F",
];

/// The plot as SVG; `None` without points.
pub(crate) fn svg(points: &[Point]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for point in points {
        if !names.contains(&point.series.as_str()) {
            names.push(&point.series);
        }
    }
    let scale = Scale::of(points)?;
    let mut body = scale.grid();
    for (at, name) in names.iter().enumerate() {
        let mut line: Vec<&Point> = points
            .iter()
            .filter(|point| point.series == *name)
            .collect();
        line.sort_by_key(|point| point.size);
        draw(&mut body, &scale, &line, COLOURS[at % COLOURS.len()]);
        let y = TOP + 20.0 * at as f64;
        let x = WIDTH - RIGHT + 20.0;
        let colour = COLOURS[at % COLOURS.len()];
        let _ = writeln!(
            body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            x + 18.0,
            y + 11.0,
            escape(name),
        );
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">microseconds per operation, by the number of tasks in the \
         queue</text>\n{body}</svg>\n"
    ))
}

fn draw(body: &mut String, scale: &Scale, line: &[&Point], colour: &str) {
    let places: Vec<String> = line
        .iter()
        .map(|point| {
            format!(
                "{:.1},{:.1}",
                scale.x(point.size as f64),
                scale.y(point.micros)
            )
        })
        .collect();
    let _ = writeln!(
        body,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        places.join(" ")
    );
    for point in line {
        let _ = writeln!(
            body,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{}: {} tasks, {:.1} µs</title></circle>",
            scale.x(point.size as f64),
            scale.y(point.micros),
            escape(&point.series),
            point.size,
            point.micros,
        );
    }
}

/// Powers of ten on both axes.
struct Scale {
    sizes: (i32, i32),
    micros: (i32, i32),
}

impl Scale {
    fn of(points: &[Point]) -> Option<Self> {
        let range = |values: Vec<f64>| {
            let low = values.iter().copied().fold(f64::MAX, f64::min);
            let high = values.iter().copied().fold(f64::MIN, f64::max);
            let low = low.max(f64::MIN_POSITIVE).log10().floor() as i32;
            let high = high.max(f64::MIN_POSITIVE).log10().ceil() as i32;
            (low, high.max(low + 1))
        };
        if points.is_empty() {
            return None;
        }
        Some(Self {
            sizes: range(points.iter().map(|point| point.size as f64).collect()),
            micros: range(points.iter().map(|point| point.micros).collect()),
        })
    }

    fn x(&self, size: f64) -> f64 {
        let (low, high) = self.sizes;
        let part = (size.log10() - f64::from(low)) / f64::from(high - low);
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, micros: f64) -> f64 {
        let (low, high) = self.micros;
        let part = (micros.log10() - f64::from(low)) / f64::from(high - low);
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    }

    fn grid(&self) -> String {
        let mut body = String::new();
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for power in self.sizes.0..=self.sizes.1 {
            let x = self.x(10_f64.powi(power));
            let _ = writeln!(
                body,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#dddddd\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 20.0,
                tasks(power),
            );
        }
        for power in self.micros.0..=self.micros.1 {
            let y = self.y(10_f64.powi(power));
            let _ = writeln!(
                body,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{} µs</text>",
                LEFT - 8.0,
                y + 4.0,
                10_f64.powi(power),
            );
        }
        body
    }
}

fn tasks(power: i32) -> String {
    match power {
        6.. => format!("{} M", 10_u64.pow(power.unsigned_abs() - 6)),
        3..6 => format!("{} k", 10_u64.pow(power.unsigned_abs() - 3)),
        _ => format!("{}", 10_f64.powi(power)),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_drawn_and_named() {
        let point = |series: &str, size, micros| Point {
            series: series.to_owned(),
            size,
            micros,
        };
        let points = [
            point("tasq", 1_000, 90.0),
            point("tasq", 1_000_000, 110.0),
            point("a <b>", 1_000, 20.0),
        ];
        let svg = svg(&points).expect("there are points");
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("a &lt;b&gt;") && svg.contains("1 M"));
        assert!(super::svg(&[]).is_none());
    }
}
