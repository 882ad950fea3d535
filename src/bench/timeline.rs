//! A picture of a series on its way: what was kept, what was encoded, and when the SEG was there.

use std::fmt::Write;

use super::flow::Flow;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 34.0;
const TICKS: usize = 6;

/// One panel a flow, as SVG. Colours are told apart by lightness as well.
pub fn draw(flows: &[Flow]) -> String {
    let height = HEIGHT * flows.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (number, flow) in flows.iter().enumerate() {
        let (down, panel) = (HEIGHT * number as f64, panel(flow));
        // A string takes whatever is written to it.
        let _ = writeln!(
            svg,
            "<g transform=\"translate(0 {down})\">
{panel}</g>"
        );
    }
    svg + "</svg>\n"
}

fn panel(flow: &Flow) -> String {
    let end = (flow.wait_then_run.max(flow.stored) * 1.04).max(f64::MIN_POSITIVE);
    let most = flow.kept.len().max(1) as f64;
    let x = |seconds: f64| LEFT + seconds / end * (WIDTH - LEFT - RIGHT);
    let y = |slices: f64| HEIGHT - BOTTOM - slices / most * (HEIGHT - TOP - BOTTOM);
    let (floor, ceiling) = (y(0.0), y(most));

    let mut svg = String::new();
    let mut line = |element: std::fmt::Arguments<'_>| {
        // A string takes whatever is written to it.
        let _ = writeln!(svg, "{element}");
    };
    line(format_args!(
        "<text x=\"{LEFT}\" y=\"16\" font-weight=\"bold\">{} slices {}</text>",
        flow.kept.len(),
        flow.name
    ));
    line(format_args!(
        "<text x=\"{LEFT}\" y=\"{:.1}\" text-anchor=\"end\" dx=\"-6\">{most}</text>\
         <text x=\"{LEFT}\" y=\"{floor:.1}\" text-anchor=\"end\" dx=\"-6\">0</text>",
        ceiling + 4.0
    ));
    for tick in 0..=TICKS {
        let seconds = end / TICKS as f64 * tick as f64;
        line(format_args!(
            "<path d=\"M{0:.1} {floor:.1}v5\" stroke=\"#555\"/>\
             <text x=\"{0:.1}\" y=\"{1:.1}\" text-anchor=\"middle\">{seconds:.1} s</text>",
            x(seconds),
            floor + 18.0
        ));
    }
    line(format_args!(
        "<path d=\"M{LEFT} {ceiling:.1}V{floor:.1}H{:.1}\" fill=\"none\" stroke=\"#555\"/>",
        WIDTH - RIGHT
    ));
    let kept = flow.kept.iter().zip(1_u32..);
    let kept = kept.map(|(&at, count)| (at, f64::from(count)));
    let encoded = flow.encoded.iter().map(|&(at, count)| (at, count as f64));
    let curves = [
        ("durable", "#9ab8d8", kept.collect::<Vec<_>>()),
        ("encoded", "#1b4f8a", encoded.collect()),
    ];
    for (_, colour, points) in &curves {
        let path: Vec<String> = points
            .iter()
            .map(|&(at, count)| format!("{:.1},{:.1}", x(at), y(count)))
            .collect();
        line(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        ));
    }
    let marks = [
        (
            flow.last_slice(),
            "last slice",
            "#9ab8d8",
            "end",
            -4.0,
            14.0,
        ),
        (
            flow.stored,
            "SEG on the PACS",
            "#0a7d33",
            "start",
            4.0,
            30.0,
        ),
        (
            flow.wait_then_run,
            "the same, had all begun at the last slice",
            "#b3541e",
            "end",
            -4.0,
            62.0,
        ),
    ];
    for (at, what, colour, anchor, aside, down) in marks {
        // A label that begins too far right ends at its line instead.
        let fits = anchor == "end" || x(at) < WIDTH - 130.0;
        let (anchor, aside) = if fits { (anchor, aside) } else { ("end", -4.0) };
        line(format_args!(
            "<path d=\"M{0:.1} {ceiling:.1}V{floor:.1}\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-dasharray=\"5 3\"/>\
             <text x=\"{1:.1}\" y=\"{2:.1}\" text-anchor=\"{anchor}\" fill=\"#222\">{what} {at:.2} s</text>",
            x(at),
            x(at) + aside,
            ceiling + down
        ));
    }
    let legend = curves
        .iter()
        .enumerate()
        .map(|(number, (what, colour, _))| {
            let at = WIDTH - RIGHT - 180.0 + 90.0 * number as f64;
            format!(
                "<path d=\"M{at} 12h16\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <text x=\"{}\" y=\"16\">{what}</text>\n",
                at + 21.0
            )
        });
    let legend: String = legend.collect();
    svg + &legend
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slice_and_every_mark_is_in_the_picture() {
        let flow = Flow {
            name: "in one burst",
            kept: vec![0.1, 0.2, 0.3],
            encoded: vec![(0.2, 1), (0.5, 3)],
            stored: 0.7,
            wait_then_run: 1.4,
            processor: 1.6,
        };
        let svg = draw(&[flow.clone(), flow]);
        assert_eq!(svg.matches("<polyline").count(), 4);
        assert_eq!(svg.matches("SEG on the PACS 0.70 s").count(), 2);
        assert!(svg.ends_with("</svg>\n"));
        let kept = svg.split("points=\"").nth(1).unwrap();
        assert_eq!(kept.split('"').next().unwrap().split(' ').count(), 3);
    }
}
