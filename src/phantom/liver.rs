//! The liver, what runs through it and what grows in it.

use std::{f32::consts::TAU, sync::Arc};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{
    anatomy::Anatomy,
    shape::{Point, Shape, add, dot, scaled, sub},
    spec::{PhantomSpec, SpecError, Tumour, TumourKind},
    structure::{Fill, Label, Structure},
};

/// Paints the liver with its vessels and lesions. `inside` is the space under the diaphragm;
/// lesions lie within `extent_mm` of the body's centre along z.
pub fn paint(
    body: &mut Anatomy,
    spec: &PhantomSpec,
    inside: &Arc<Shape>,
    extent_mm: f32,
) -> Result<(), SpecError> {
    let liver = Arc::new(outline(body).within(inside, -3.5));
    let hu = body.contrast.liver;
    let parenchyma = body.textured(hu, 7.0, 14.0);
    let capsule = (*liver).clone();
    body.paint(Structure::new(capsule, parenchyma).labelled(Label::Liver));
    focal_fat(body, &liver);
    vessels(body, &liver);

    let mut lesions = Lesions {
        liver: Arc::clone(&liver),
        middle: body.centre[2],
        extent_mm,
        taken: Vec::new(),
    };
    // The largest first: they have the fewest places to go.
    let mut order: Vec<usize> = (0..spec.tumours.len()).collect();
    order.sort_by(|a, b| {
        let diameter = |index: &usize| spec.tumours[*index].diameter_mm;
        diameter(b).total_cmp(&diameter(a))
    });
    for index in order {
        tumour(body, &mut lesions, index, spec.tumours[index])?;
    }
    cysts(body, &mut lesions, spec.cysts)
}

/// Right lobe, its posterior and inferior parts, the medial and lateral left lobe and the caudate,
/// less what presses into it.
fn outline(body: &mut Anatomy) -> Shape {
    let tip = body.random(-14.0, 10.0);
    let left = body.random(-14.0, 16.0);
    let lobes: [(Point, Point, f32); 7] = [
        ([-70.0, -6.0, -72.0], [58.0, 76.0, 76.0], 0.1),
        ([-82.0, 34.0, -72.0], [46.0, 44.0, 60.0], -0.5),
        ([-94.0, 2.0, -122.0 + tip], [34.0, 52.0, 50.0], 0.1),
        ([-34.0, -36.0, -62.0], [46.0, 40.0, 50.0], -0.1),
        ([10.0, -46.0, -52.0], [46.0, 27.0, 42.0], -0.15),
        ([42.0 + left, -48.0, -40.0], [38.0, 18.0, 28.0], -0.3),
        ([-16.0, 2.0, -58.0], [19.0, 17.0, 30.0], 0.0),
    ];
    let lobes = lobes
        .into_iter()
        .map(|(place, radii, turn)| Shape::turned(body.at(place), body.size(radii), turn))
        .collect();
    // Inferior vena cava, right kidney with its fat and what lies behind it, gallbladder bed, the
    // fissure of the round ligament, the gate with its fat, duodenum and pancreas below the gate,
    // spine and aorta.
    let vena_cava = vena_cava(body);
    let pressing = vec![
        vena_cava,
        kidney(body, -1.0).grown(5.0),
        Shape::ellipsoid(
            body.exactly([-47.0, 70.0, -157.0]),
            body.exactly([53.0, 50.0, 76.0]),
        ),
        gallbladder(body).grown(0.5),
        Shape::capsule(
            body.exactly([-40.0, -44.0, -136.0]),
            body.exactly([-34.0, -48.0, -190.0]),
            21.0,
        ),
        Shape::ellipsoid(
            body.exactly([-4.0, 6.0, -130.0]),
            body.exactly([44.0, 38.0, 36.0]),
        ),
        Shape::turned(
            body.exactly([0.0, -62.0, -92.0]),
            body.exactly([4.0, 24.0, 34.0]),
            0.15,
        ),
        Shape::turned(
            body.exactly([-22.0, -8.0, -92.0]),
            body.exactly([22.0, 9.0, 12.0]),
            0.3,
        ),
        Shape::ellipsoid(
            body.exactly([4.0, 46.0, -80.0]),
            body.exactly([36.0, 40.0, 900.0]),
        ),
    ];
    Shape::except(Shape::blend(lobes, 22.0), pressing, -0.5)
}

/// The inferior vena cava, along the back of the liver up to the heart.
pub fn vena_cava(body: &Anatomy) -> Shape {
    let path = [
        ([-22.0, 18.0, -330.0], 10.5),
        ([-22.0, 16.0, -130.0], 11.5),
        ([-21.0, 10.0, -60.0], 13.0),
        ([-16.0, 2.0, 0.0], 13.5),
    ]
    .map(|(place, radius)| (body.exactly(place), radius));
    Shape::blend(
        path.windows(2)
            .map(|ends| Shape::Capsule {
                from: ends[0].0,
                to: ends[1].0,
                radii: [ends[0].1, ends[1].1],
            })
            .collect(),
        4.0,
    )
}

/// A kidney; `side` is -1 for the right one, which lies lower.
pub fn kidney(body: &Anatomy, side: f32) -> Shape {
    let drop = if side < 0.0 { -24.0 } else { -4.0 };
    Shape::turned(
        body.exactly([63.0 * side, 42.0, -128.0 + drop]),
        body.exactly([25.0, 31.0, 54.0]),
        -0.6 * side,
    )
}

pub fn gallbladder(body: &Anatomy) -> Shape {
    Shape::turned(
        body.exactly([-43.0, -43.0, -126.0]),
        body.exactly([14.0, 25.0, 27.0]),
        0.5,
    )
}

/// The usual dark patch beside the fissure, which is no tumour.
fn focal_fat(body: &mut Anatomy, liver: &Arc<Shape>) {
    let (centre, radii) = (body.at([-9.0, -62.0, -84.0]), body.size([9.0, 7.0, 12.0]));
    let patch = Shape::ellipsoid(centre, radii).within(liver, -0.5);
    let hu = body.contrast.liver - 28.0;
    body.paint(
        Structure::uniform(patch, hu)
            .labelled(Label::Surroundings)
            .with_edge(6.0),
    );
}

/// The portal tree from the gate outwards, and three hepatic veins towards the vena cava.
fn vessels(body: &mut Anatomy, liver: &Arc<Shape>) {
    let mut rng = body.stream(2);
    let (portal, hepatic) = (body.contrast.portal, body.contrast.hepatic);
    let gate = body.exactly([-26.0, -6.0, -84.0]);
    let division = body.exactly([-38.0, -6.0, -76.0]);
    let trunk = body.exactly([-2.0, -4.0, -118.0]);
    body.paint_uniform(Shape::capsule(trunk, gate, 7.0), portal);
    let mut twigs = vec![Shape::capsule(gate, division, 6.5)];
    for target in [
        [-86.0, -40.0, -60.0],
        [-92.0, 34.0, -66.0],
        [-88.0, 6.0, -120.0],
        [6.0, -44.0, -58.0],
    ] {
        let towards = sub(body.exactly(target), division);
        branch(&mut twigs, &mut rng, liver, division, towards, 4.6, 4);
    }
    let portal_twigs = twigs.len();
    let confluence = body.exactly([-20.0, 2.0, -22.0]);
    for target in [
        [-108.0, 30.0, -88.0],
        [-62.0, -52.0, -84.0],
        [14.0, -50.0, -52.0],
    ] {
        let towards = sub(body.exactly(target), confluence);
        branch(&mut twigs, &mut rng, liver, confluence, towards, 4.4, 4);
    }
    for (index, twig) in twigs.into_iter().enumerate() {
        let hu = if index < portal_twigs {
            portal
        } else {
            hepatic
        };
        let twig = twig.within(liver, 1.0);
        body.paint(Structure::uniform(twig, hu).labelled(Label::Surroundings));
    }
}

/// A vessel that covers about half of `towards`, then divides in two.
fn branch(
    twigs: &mut Vec<Shape>,
    rng: &mut ChaCha8Rng,
    liver: &Shape,
    from: Point,
    towards: Point,
    radius: f32,
    generations: u32,
) {
    let to = add(from, scaled(towards, 0.5));
    let thinner = radius * 0.74;
    twigs.push(Shape::Capsule {
        from,
        to,
        radii: [radius, thinner],
    });
    if generations == 0 || liver.distance(to) > -3.0 {
        return;
    }
    let length = dot(towards, towards).sqrt() * 0.62;
    for _ in 0..2 {
        let aside = direction(rng);
        let onward = scaled(towards, 0.62);
        let onward = add(onward, scaled(aside, 0.55 * length));
        branch(twigs, rng, liver, to, onward, thinner, generations - 1);
    }
}

/// Where lesions may go, and where they already are.
struct Lesions {
    liver: Arc<Shape>,
    middle: f32,
    extent_mm: f32,
    taken: Vec<(Point, f32)>,
}

impl Lesions {
    /// A centre for a lesion of `radius`: inside the liver, though a large one may reach the
    /// capsule; off the other lesions; within the stack, or in the middle of a thin one.
    fn place(&mut self, rng: &mut ChaCha8Rng, radius: f32) -> Result<Point, SpecError> {
        let no_room = SpecError::NoRoom(f64::from(2.0 * radius));
        let mut bounds = self.liver.bounds();
        let aside = (self.extent_mm - radius).max(0.3 * self.extent_mm);
        bounds.low[2] = bounds.low[2].max(self.middle - aside);
        bounds.high[2] = bounds.high[2].min(self.middle + aside);
        if bounds.low[2] >= bounds.high[2] {
            return Err(no_room);
        }
        for _ in 0..4000 {
            let centre = [0, 1, 2].map(|i| rng.random_range(bounds.low[i]..bounds.high[i]));
            // Where a lesion of this size sits on average: half-way from touching to floating.
            let depth = radius * rng.random_range(0.7..1.3) + 2.0;
            let apart = self.taken.iter().all(|(other, size)| {
                let gap = sub(centre, *other);
                dot(gap, gap).sqrt() > radius * 1.35 + size * 1.35 + 5.0
            });
            if apart && self.liver.distance(centre) < -depth {
                self.taken.push((centre, radius));
                return Ok(centre);
            }
        }
        Err(no_room)
    }
}

fn tumour(
    body: &mut Anatomy,
    lesions: &mut Lesions,
    index: usize,
    tumour: Tumour,
) -> Result<(), SpecError> {
    // One generator each, so that one tumour's shape does not depend on how many there are.
    let mut rng = body.stream(100 + index as u64);
    let radius = tumour.diameter_mm as f32 / 2.0;
    let centre = lesions.place(&mut rng, radius)?;
    let shape = Arc::new(lump(&mut rng, centre, radius).within(&lesions.liver, 1.0));
    let liver = body.contrast.liver;
    let edge = rng.random_range(1.0..3.0_f32).min(radius);
    // The contrast of a small lesion is not below what a reader would call one.
    let darker = rng.random_range(35.0..70.0);
    let (rim, inner) = match tumour.kind {
        TumourKind::Hypodense => (liver - darker, liver - darker - 6.0),
        TumourKind::Hyperdense => (liver + 0.8 * darker, liver + 0.7 * darker),
        TumourKind::RimEnhancing => (liver + 0.5 * darker, liver - darker),
        TumourKind::NecroticCore => (liver - 0.6 * darker, 18.0),
        TumourKind::LowContrast => (liver - 0.3 * darker, liver - 0.32 * darker),
    };
    let label = Label::Tumour(index as u8);
    let texture = (0.25 * radius).clamp(1.5, 7.0);
    let fill = Fill::Textured {
        hu: rim,
        swing: 14.0,
        field: body.field(texture),
    };
    body.paint(
        Structure::new((*shape).clone(), fill)
            .labelled(label)
            .with_edge(edge),
    );
    let fill = Fill::Textured {
        hu: inner,
        swing: 10.0,
        field: body.field(2.0 * texture),
    };
    let core = Shape::Grown {
        shape,
        by: -0.35 * radius,
    };
    body.paint(
        Structure::new(core, fill)
            .labelled(Label::Surroundings)
            .with_edge(2.0 * edge),
    );
    Ok(())
}

/// An ellipsoid with bumps.
fn lump(rng: &mut ChaCha8Rng, centre: Point, radius: f32) -> Shape {
    let axes = [0; 3].map(|_| rng.random_range(0.82..1.12) * radius);
    let mut parts = vec![Shape::turned(centre, axes, rng.random_range(0.0..TAU))];
    for _ in 0..rng.random_range(2..5) {
        let aside = scaled(direction(rng), 0.5 * radius);
        let size = radius * rng.random_range(0.35..0.55);
        parts.push(Shape::ellipsoid(add(centre, aside), [size; 3]));
    }
    Shape::blend(parts, 0.5 * radius)
}

fn cysts(body: &mut Anatomy, lesions: &mut Lesions, count: usize) -> Result<(), SpecError> {
    let mut rng = body.stream(3);
    for _ in 0..count {
        let radius = rng.random_range(3.0..12.0);
        let centre = lesions.place(&mut rng, radius)?;
        let radii = [0; 3].map(|_| rng.random_range(0.9..1.1) * radius);
        let shape = Shape::ellipsoid(centre, radii).within(&lesions.liver, 0.5);
        let hu = rng.random_range(0.0..14.0);
        body.paint(Structure::uniform(shape, hu).labelled(Label::Surroundings));
    }
    Ok(())
}

/// A unit vector, every direction alike.
fn direction(rng: &mut ChaCha8Rng) -> Point {
    let z = rng.random_range(-1.0..1.0_f32);
    let angle = rng.random_range(0.0..TAU);
    let flat = (1.0 - z * z).sqrt();
    [flat * angle.cos(), flat * angle.sin(), z]
}
