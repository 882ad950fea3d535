//! Bodies that have no liver to find: what a gate must turn away.

use super::{
    anatomy::Anatomy,
    bones,
    shape::{Column, Shape},
    structure::{Fill, Structure},
    trunk,
};

/// The lesser pelvis with bladder, rectum and hips.
pub fn pelvis(body: &mut Anatomy) {
    body.centre[2] = -420.0;
    let z = body.centre[2];
    trunk::wall(body);
    // Gluteal muscles.
    for side in [-1.0, 1.0] {
        let centre = body.exactly([70.0 * side, 76.0, 0.0]);
        let muscle = Shape::ellipsoid([centre[0], centre[1], z], [62.0, 34.0, 300.0]);
        body.paint_tissue(muscle, 58.0);
        let obturator = body.exactly([70.0 * side, 10.0, 0.0]);
        let muscle = Shape::ellipsoid([obturator[0], obturator[1], z - 40.0], [26.0, 46.0, 90.0]);
        body.paint_tissue(muscle, 60.0);
    }
    bones::pelvis(body);
    let bladder = body.exactly([0.0, -26.0, 0.0]);
    let bladder = Shape::ellipsoid([bladder[0], bladder[1], z - 30.0], [42.0, 34.0, 40.0]);
    body.paint_uniform(bladder.clone(), 40.0);
    body.paint_uniform(bladder.grown(-4.0), 6.0);
    let rectum = body.exactly([2.0, 38.0, 0.0]);
    let (from, to) = (
        [rectum[0], rectum[1], z - 160.0],
        [rectum[0] + 20.0, rectum[1] - 10.0, z + 120.0],
    );
    body.paint_uniform(Shape::capsule(from, to, 18.0), 50.0);
    let field = body.field(9.0);
    let fill = Fill::Mottled { hu: 40.0, field };
    body.paint(Structure::new(Shape::capsule(from, to, 14.0), fill));
    for side in [-1.0, 1.0] {
        let hu = body.contrast.portal;
        let (from, to) = (
            body.exactly([56.0 * side, -30.0, -500.0]),
            body.exactly([38.0 * side, 20.0, -330.0]),
        );
        body.paint_uniform(Shape::capsule(from, to, 6.5), hu);
    }
}

/// A skull with brain, ventricles and the falx.
pub fn head(body: &mut Anatomy) {
    body.centre[2] = 600.0;
    let [x, y, z] = [0.0, 0.0, body.centre[2]];
    let layer =
        |inset: f32| Shape::ellipsoid([x, y, z], [80.0 - inset, 98.0 - inset, 108.0 - inset]);
    // The neck below, so that long stacks do not end in air.
    body.paint_tissue(
        Shape::capsule([x, y + 20.0, z - 300.0], [x, y + 20.0, z - 60.0], 58.0),
        55.0,
    );
    bones::shaft(body, [x, y + 36.0, z - 190.0], 14.0, 120.0);
    for (inset, hu) in [
        (0.0, 40.0),
        (2.0, -80.0),
        (5.0, 60.0),
        (7.0, 1150.0),
        (9.0, 500.0),
        (11.0, 1200.0),
    ] {
        body.paint_uniform(layer(inset), hu);
    }
    body.paint_uniform(layer(14.0), 12.0);
    let fill = body.textured(36.0, 7.0, 9.0);
    body.paint(Structure::new(layer(16.5), fill).with_edge(2.0));
    for side in [-1.0, 1.0] {
        let ventricle = Shape::capsule(
            [x + 8.0 * side, y - 30.0, z + 5.0],
            [x + 18.0 * side, y + 34.0, z + 10.0],
            6.5,
        );
        body.paint_uniform(ventricle, 6.0);
        let sinus = Shape::ellipsoid([x + 22.0 * side, y - 62.0, z - 70.0], [17.0, 20.0, 18.0]);
        body.paint_uniform(sinus.clone().grown(2.0), 700.0);
        body.paint_uniform(sinus, -980.0);
        let petrous = Shape::capsule(
            [x + 22.0 * side, y + 8.0, z - 62.0],
            [x + 60.0 * side, y + 30.0, z - 58.0],
            12.0,
        );
        body.paint_uniform(petrous, 900.0);
    }
    let falx = Shape::ellipsoid([x, y, z + 30.0], [1.2, 80.0, 60.0]);
    body.paint_uniform(falx, 58.0);
}

/// Two thighs.
pub fn thighs(body: &mut Anatomy) {
    body.centre[2] = -700.0;
    let z = body.centre[2];
    for side in [-1.0, 1.0] {
        let centre = body.exactly([92.0 * side, 10.0, 0.0]);
        let thigh = Column {
            centre: [centre[0], centre[1]],
            half_width: 78.0,
            front: 76.0,
            back: 80.0,
            span: [z - 2000.0, z + 2000.0],
        };
        body.paint_uniform(Shape::Column(thigh), 45.0);
        body.paint_uniform(Shape::Column(thigh.grown(-2.0)), -102.0);
        let fill = body.textured(60.0, 16.0, 7.0);
        body.paint(Structure::new(Shape::Column(thigh.grown(-15.0)), fill));
        bones::shaft(
            body,
            [centre[0] + 4.0 * side, centre[1] - 8.0, z],
            14.0,
            2000.0,
        );
        let hu = body.contrast.portal;
        let vessel = [centre[0] - 22.0 * side, centre[1] - 4.0];
        let ends = [z - 2000.0, z + 2000.0].map(|z| [vessel[0], vessel[1], z]);
        body.paint_uniform(Shape::capsule(ends[0], ends[1], 5.0), hu);
    }
}

/// Water in a plastic wall.
pub fn cylinder(body: &mut Anatomy) {
    let drum = Column {
        centre: [0.0, 0.0],
        half_width: 110.0,
        front: 110.0,
        back: 110.0,
        span: [-1e4, 1e4],
    };
    // A circle exactly: the ellipsoid of endless length.
    let circle = |radius: f32| Shape::ellipsoid([0.0; 3], [radius, radius, 1e6]);
    body.cavity = drum;
    body.paint(Structure::uniform(circle(105.0), 120.0).of_scanner());
    body.paint(Structure::uniform(circle(100.0), 0.0).of_scanner());
}
