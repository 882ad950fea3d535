//! Bones: bright shells with darker marrow, at the edge of everything.

use std::{f32::consts::PI, sync::Arc};

use super::{
    anatomy::Anatomy,
    shape::{Point, Shape},
    structure::Structure,
};

/// Ribs with their cartilage, and the breastbone. More pairs than a chest has, so that a tall stack
/// does not run out of them.
pub fn thorax(body: &mut Anatomy) {
    // Centre of the wall in which the ribs run.
    let wall = body.cavity.grown(4.5);
    for rib in 0..18 {
        let top = body.exactly([0.0, 0.0, 357.0 - 25.0 * rib as f32])[2];
        // The last two float; the ones above end at the costal arch.
        let reach = match rib {
            17 => 0.32 * PI,
            16 => 0.46 * PI,
            15 => 0.62 * PI,
            14 => 0.72 * PI,
            _ => 0.78 * PI,
        };
        let start = 0.16 * PI;
        let thickness = body.random(4.3, 5.6);
        for side in [-1.0, 1.0] {
            let place = |angle: f32| -> Point {
                let [x, y] = wall.outline(side * angle, 0.0);
                // Down from the spine to the flank and on to the front.
                let drop = 150.0 * (angle - start) / (0.75 * PI);
                [x, y, top - drop]
            };
            let steps = 14;
            let angle = |step: usize| start + (reach - start) * step as f32 / steps as f32;
            for (grown, hu) in [(0.0, 520.0), (-1.7, 190.0)] {
                for step in 0..steps {
                    let stick = Shape::capsule(
                        place(angle(step)),
                        place(angle(step + 1)),
                        thickness + grown,
                    );
                    body.paint_uniform(stick, hu);
                }
            }
            if rib < 15 {
                // Cartilage rises from the end of the rib towards the breastbone.
                let from = place(reach);
                let [x, y] = wall.outline(side * 0.95 * PI, 0.0);
                let to = [x, y, from[2] + 48.0];
                let cartilage = Shape::capsule(from, to, 5.0);
                body.paint_uniform(cartilage, 105.0);
            }
        }
    }
    let [_, front] = wall.outline(PI, 1.0);
    let (top, bottom) = (
        body.exactly([0.0, 0.0, 170.0])[2],
        body.exactly([0.0, 0.0, 22.0])[2],
    );
    for (radii, hu) in [([17.0, 6.5], 420.0), ([14.5, 4.2], 160.0)] {
        let sternum = Shape::blend(
            vec![
                Shape::ellipsoid(
                    [-6.0, front, 0.5 * (top + bottom)],
                    [radii[0], radii[1], 80.0],
                ),
                Shape::ellipsoid(
                    [6.0, front, 0.5 * (top + bottom)],
                    [radii[0], radii[1], 80.0],
                ),
            ],
            4.0,
        );
        body.paint_uniform(sternum, hu);
    }
}

/// Vertebrae with discs between them, the canal, and the processes behind.
pub fn spine(body: &mut Anatomy, [low, high]: [f32; 2]) {
    let pitch = body.exactly([0.0, 0.0, 33.0])[2];
    let marrow = body.random(130.0, 215.0);
    let size = body.random(0.93, 1.1);
    let axis = |body: &Anatomy| body.exactly([0.0, 50.0, 0.0])[1];
    let y = axis(body);
    let phase = body.random(0.0, pitch);
    let count = ((high - low) / pitch) as usize;
    // Discs first, as one long column that the vertebrae interrupt.
    let disc = Shape::ellipsoid(
        [0.0, y, 0.5 * (low + high)],
        [20.0 * size, 15.5 * size, 1e4],
    );
    body.paint_uniform(disc, 88.0);
    for index in 0..count {
        let z = low + phase + pitch * index as f32;
        vertebra(body, [0.0, y, z], pitch, size, marrow);
    }
    let canal = Shape::ellipsoid([0.0, y + 25.5 * size, 0.5 * (low + high)], [10.5, 8.5, 1e4]);
    body.paint_uniform(canal, -20.0);
    let sac = Shape::ellipsoid([0.0, y + 25.0 * size, 0.5 * (low + high)], [8.5, 6.8, 1e4]);
    body.paint_uniform(sac, 28.0);
}

fn vertebra(body: &mut Anatomy, [x, y, z]: Point, pitch: f32, size: f32, marrow: f32) {
    let half = 0.5 * pitch - 4.0;
    // A flattened drum: the blend of two discs-like ellipsoids has nearly flat ends.
    let drum = |inset: f32| {
        let radii = [22.0 * size - inset, 17.0 * size - inset, half - inset];
        let part =
            |shift: f32| Shape::ellipsoid([x, y, z + shift], [radii[0], radii[1], 0.75 * radii[2]]);
        Shape::blend(
            vec![part(-0.3 * half), part(0.0), part(0.3 * half)],
            0.5 * half,
        )
    };
    body.paint_uniform(drum(0.0), 430.0);
    let spongy = body.textured(marrow, 55.0, 4.0);
    body.paint(Structure::new(drum(1.8), spongy).with_edge(1.5));
    let back = y + 25.0 * size;
    let stick = |from: Point, to: Point, radius: f32| Shape::capsule(from, to, radius);
    for side in [-1.0, 1.0] {
        let pedicle = stick(
            [13.0 * side, y + 12.0 * size, z + 3.0],
            [15.0 * side, back, z + 3.0],
            5.0,
        );
        let lamina = stick([15.0 * side, back, z], [0.0, back + 13.0, z - 5.0], 4.0);
        let transverse = stick(
            [15.0 * side, back, z + 1.0],
            [39.0 * side, back + 5.0, z + 3.0],
            4.4,
        );
        let facet = stick(
            [17.0 * side, back + 4.0, z - 13.0],
            [17.0 * side, back + 2.0, z + 12.0],
            5.2,
        );
        for (part, inset) in [
            (pedicle, 2.0),
            (lamina, 1.8),
            (transverse, 2.0),
            (facet, 2.4),
        ] {
            body.paint_uniform(part.clone(), 440.0);
            body.paint_uniform(part.grown(-inset), 240.0);
        }
    }
    let process = stick(
        [0.0, back + 12.0, z - 5.0],
        [0.0, back + 34.0, z - 16.0],
        4.2,
    );
    body.paint_uniform(process.clone(), 420.0);
    body.paint_uniform(process.grown(-1.8), 220.0);
}

/// A long bone along z: shell and marrow.
pub fn shaft(body: &mut Anatomy, centre: Point, radius: f32, half_length: f32) {
    let ends = [-half_length, half_length].map(|z| [centre[0], centre[1], centre[2] + z]);
    body.paint_uniform(Shape::capsule(ends[0], ends[1], radius), 1150.0);
    body.paint_uniform(Shape::capsule(ends[0], ends[1], 0.55 * radius), -40.0);
}

/// Iliac wings, sacrum and the heads of the thigh bones.
pub fn pelvis(body: &mut Anatomy) {
    let z = body.centre[2];
    for side in [-1.0, 1.0] {
        // A curved plate: what two nested trunks leave, cut out beside the sacrum.
        let place = body.exactly([88.0 * side, 34.0, 0.0]);
        let wing = |outer: f32, inner: f32| {
            let plate = Shape::except(
                Shape::Column(body.cavity.grown(outer)),
                vec![Shape::Column(body.cavity.grown(inner))],
                0.0,
            );
            let region = Shape::ellipsoid([place[0], place[1], z + 40.0], [66.0, 62.0, 92.0]);
            plate.within(&Arc::new(region), 0.0)
        };
        let (outer, inner) = (wing(-4.0, -17.0), wing(-6.0, -15.0));
        body.paint_uniform(outer, 560.0);
        body.paint_uniform(inner, 190.0);
        let socket = body.exactly([92.0 * side, 6.0, 0.0]);
        let socket = Shape::ellipsoid(
            [socket[0] - 10.0 * side, socket[1], z - 50.0],
            [36.0, 38.0, 36.0],
        );
        body.paint_uniform(socket.clone(), 520.0);
        body.paint_uniform(socket.grown(-2.5), 210.0);
        let head = body.exactly([92.0 * side, 6.0, 0.0]);
        let head = [head[0], head[1], z - 60.0];
        body.paint_uniform(Shape::ellipsoid(head, [27.0; 3]), 620.0);
        body.paint_uniform(Shape::ellipsoid(head, [24.0; 3]), 290.0);
    }
    for (radii, hu) in [([52.0, 20.0, 70.0], 480.0), ([49.0, 17.0, 67.0], 170.0)] {
        let centre = body.exactly([0.0, 66.0, 0.0]);
        let sacrum = Shape::ellipsoid([centre[0], centre[1], z + 40.0], radii);
        body.paint_uniform(sacrum, hu);
    }
}
