//! The container: skin, fat, muscle, the chest with lungs and heart, and the table underneath.

use std::sync::Arc;

use super::{
    anatomy::Anatomy,
    shape::{Column, Point, Shape},
    structure::Structure,
};

/// Skin, subcutaneous fat, the muscle wall, and visceral fat inside it.
pub fn wall(body: &mut Anatomy) {
    let muscle = body.cavity.grown(12.0);
    let skin = skin_outline(body);
    body.paint_uniform(Shape::Column(skin), 45.0);
    let fat = body.textured(-104.0, 8.0, 12.0);
    body.paint(Structure::new(Shape::Column(skin.grown(-2.2)), fat));
    let fill = body.textured(56.0, 14.0, 7.0);
    body.paint(Structure::new(Shape::Column(muscle), fill));
    // Fat between the muscle layers of the flank.
    let layer = body.cavity.grown(6.5);
    body.paint_uniform(Shape::Column(layer), 5.0);
    body.paint_tissue(Shape::Column(body.cavity.grown(5.0)), 55.0);
    let fill = body.textured(-101.0, 10.0, 14.0);
    body.paint(Structure::new(Shape::Column(body.cavity), fill));
}

/// Lungs, heart and great vessels above the diaphragm. What the function returns is the space
/// under the diaphragm and inside the wall, where the liver belongs.
pub fn chest(body: &mut Anatomy) -> Arc<Shape> {
    let domes = domes(body);
    let under = Shape::blend(domes, 14.0);
    let (wide, tall) = (body.cavity.half_width, body.cavity.front);
    // The lung reaches down behind and beside the diaphragm, but not below its attachment.
    let floor = body.exactly([0.0, 0.0, -125.0])[2];
    let lung = |side: f32, body: &Anatomy| {
        let inner = Column {
            centre: [side * wide * 0.52, 4.0],
            half_width: wide * 0.48,
            front: tall * 0.97,
            back: body.cavity.back * 0.98,
            span: [floor, 330.0],
        };
        Shape::except(Shape::Column(inner), vec![under.clone()], 3.0).within(&body.inside(), -1.5)
    };
    for side in [-1.0, 1.0] {
        let shape = lung(side, body);
        let fill = body.textured(-865.0, 35.0, 5.0);
        body.paint(Structure::new(shape, fill));
    }
    lung_vessels(body);
    heart(body);
    // The diaphragm: a thin muscle over what lies under it.
    let muscle = Shape::Grown {
        shape: Arc::new(under.clone()),
        by: 1.5,
    }
    .within(&body.inside(), -1.0);
    body.paint(Structure::uniform(muscle, 50.0).with_edge(1.5));
    let visceral = under.clone().within(&body.inside(), -1.5);
    let fill = body.textured(-101.0, 10.0, 14.0);
    body.paint(Structure::new(visceral, fill));
    Arc::new(under.within(&body.inside(), 0.0))
}

/// A chest so high that no abdomen is in it.
pub fn lungs_only(body: &mut Anatomy) {
    let wide = body.cavity.half_width;
    for side in [-1.0, 1.0] {
        let lung = Shape::Column(Column {
            centre: [side * wide * 0.53, 2.0],
            half_width: wide * 0.45,
            front: body.cavity.front * 0.93,
            back: body.cavity.back * 0.97,
            span: [-1000.0, 1000.0],
        })
        .within(&body.inside(), -1.5);
        let fill = body.textured(-865.0, 35.0, 5.0);
        body.paint(Structure::new(lung, fill));
    }
    let (heart_centre, heart_size) = (body.at([14.0, -22.0, 100.0]), body.size([58.0, 48.0, 58.0]));
    let hu = body.contrast.heart;
    body.paint_tissue(Shape::ellipsoid(heart_centre, heart_size), hu);
    lung_vessels(body);
    // Mediastinum with the windpipe in it.
    let (centre, radii) = (
        body.exactly([0.0, -6.0, 300.0]),
        body.exactly([27.0, 46.0, 170.0]),
    );
    let fill = body.textured(10.0, 60.0, 9.0);
    body.paint(Structure::new(Shape::ellipsoid(centre, radii), fill));
    let (from, to) = (
        body.exactly([0.0, 8.0, 500.0]),
        body.exactly([0.0, 12.0, 190.0]),
    );
    body.paint_uniform(Shape::capsule(from, to, 9.5), 50.0);
    body.paint_uniform(Shape::capsule(from, to, 8.0), -980.0);
    great_vessels(body);
}

/// The aorta, from the chest to its division.
pub fn great_vessels(body: &mut Anatomy) {
    let hu = body.contrast.aorta;
    let radius = body.random(9.0, 12.5);
    let path = [
        [18.0, 28.0, 420.0],
        [20.0, 28.0, 60.0],
        [9.0, 17.0, -30.0],
        [7.0, 16.0, -190.0],
        [4.0, 16.0, -230.0],
    ]
    .map(|place| body.exactly(place));
    for ends in path.windows(2) {
        body.paint_uniform(Shape::capsule(ends[0], ends[1], radius + 1.2), 60.0);
    }
    for ends in path.windows(2) {
        body.paint_uniform(Shape::capsule(ends[0], ends[1], radius), hu);
    }
    // Calcified plaques in the wall.
    for z in [-60.0, -105.0, -150.0] {
        let side = body.random(-1.0, 1.0);
        let place = body.exactly([7.0, 17.0, z]);
        let plaque = [
            place[0] + radius * side,
            place[1] + radius * (1.0 - side * side).sqrt(),
            place[2],
        ];
        body.paint_uniform(Shape::ellipsoid(plaque, [2.4, 1.6, 5.0]), 480.0);
    }
}

/// Two curved sheets under the patient and the mattress on them.
pub fn table(body: &mut Anatomy) {
    let skin = skin_outline(body);
    let (down, lowest) = (body.supine, skin.back.max(skin.front));
    let sheet = |below: f32, radius: f32, half_width: f32, thickness: f32| Shape::Arc {
        centre: [0.0, down * (lowest + below - radius)],
        radius,
        thickness,
        half_width,
        down,
    };
    let parts = [
        (sheet(12.0, 650.0, 205.0, 10.0), -880.0),
        (sheet(22.0, 650.0, 215.0, 3.0), 330.0),
        (sheet(25.0, 650.0, 215.0, 2.0), -120.0),
        (sheet(44.0, 380.0, 150.0, 2.5), 280.0),
    ];
    let sheets = parts.map(|(shape, hu)| Structure::uniform(shape, hu).of_scanner());
    // Painted first: nothing of the scanner covers the patient.
    body.structures.splice(0..0, sheets);
}

pub fn skin_outline(body: &Anatomy) -> Column {
    let muscle = body.cavity.grown(12.0);
    let fat = body.fat_mm;
    Column {
        half_width: muscle.half_width + 1.1 * fat,
        front: muscle.front + 0.9 * fat,
        back: muscle.back + 0.7 * fat + 10.0,
        ..muscle
    }
}

/// Erector spinae and psoas, with the fat that streaks them.
pub fn back_muscles(body: &mut Anatomy) {
    for side in [-1.0, 1.0] {
        for (place, radii) in [
            ([34.0 * side, 88.0, -100.0], [32.0, 22.0, 900.0]),
            ([15.0 * side, 88.0, -100.0], [13.0, 17.0, 900.0]),
        ] {
            let (centre, radii) = (body.exactly(place), body.exactly(radii));
            let fill = body.textured(58.0, 16.0, 6.0);
            body.paint(Structure::new(Shape::ellipsoid(centre, radii), fill));
        }
        let (from, to) = (
            body.at([28.0 * side, 50.0, -150.0]),
            body.at([48.0 * side, 36.0, -330.0]),
        );
        let psoas = Shape::Capsule {
            from,
            to,
            radii: [9.0, 25.0],
        };
        body.paint_tissue(psoas, 60.0);
        // Crus of the diaphragm, beside the aorta.
        let (from, to) = (
            body.exactly([8.0 + 14.0 * side, 22.0, -10.0]),
            body.exactly([4.0 + 14.0 * side, 28.0, -140.0]),
        );
        body.paint_tissue(Shape::capsule(from, to, 5.0), 60.0);
    }
    body.paint_tissue(
        Shape::ellipsoid(body.exactly([0.0, 58.0, 0.0]), [34.0, 24.0, 2000.0]),
        50.0,
    );
}

/// The two halves of the diaphragm and the saddle between them.
fn domes(body: &mut Anatomy) -> Vec<Shape> {
    let left_height = body.random(-28.0, -10.0);
    [
        ([-68.0, -7.0, -92.0], [72.0, 98.0, 92.0]),
        ([70.0, -3.0, -95.0 + left_height], [70.0, 94.0, 92.0]),
        ([0.0, -30.0, -104.0], [92.0, 84.0, 80.0]),
    ]
    .map(|(centre, radii)| Shape::Dome {
        centre: body.exactly(centre),
        radii: body.exactly(radii),
    })
    .into()
}

fn heart(body: &mut Anatomy) {
    let hu = body.contrast.heart;
    let parts: [(Point, Point, f32); 4] = [
        ([16.0, -34.0, 40.0], [64.0, 50.0, 62.0], -95.0),
        ([22.0, -32.0, 40.0], [58.0, 44.0, 56.0], 0.72 * hu),
        ([36.0, -26.0, 42.0], [34.0, 28.0, 42.0], hu),
        ([0.0, -44.0, 40.0], [32.0, 27.0, 42.0], hu * 1.05),
    ];
    for (place, radii, hu) in parts {
        let (centre, radii) = (body.exactly(place), body.exactly(radii));
        body.paint_tissue(Shape::turned(centre, radii, -0.5), hu);
    }
    // Oesophagus.
    let (from, to) = (
        body.exactly([4.0, 12.0, 300.0]),
        body.exactly([14.0, 6.0, -20.0]),
    );
    body.paint_uniform(Shape::capsule(from, to, 8.0), 45.0);
}

/// Vessels as bright dots in the lung.
fn lung_vessels(body: &mut Anatomy) {
    for _ in 0..60 {
        let side = if body.random(0.0, 1.0) < 0.5 {
            -1.0
        } else {
            1.0
        };
        let from = [
            side * body.random(40.0, 70.0),
            body.random(-30.0, 40.0),
            body.random(10.0, 260.0),
        ];
        let to = [
            side * body.random(70.0, 118.0),
            body.random(-60.0, 70.0),
            from[2] + body.random(-70.0, 30.0),
        ];
        let ends = [body.exactly(from), body.exactly(to)];
        let vessel = Shape::Capsule {
            from: ends[0],
            to: ends[1],
            radii: [2.6, 0.8],
        }
        .within(&body.inside(), -4.0);
        body.paint_uniform(vessel, 40.0);
    }
}
