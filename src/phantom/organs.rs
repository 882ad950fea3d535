//! The neighbours of the liver, all of them background: they are what fools a network.

use super::{
    anatomy::Anatomy,
    liver,
    shape::{Point, Shape},
    structure::{Fill, Structure},
};

/// Organs that the liver may cover: stomach, spleen, bowel.
pub fn behind_the_liver(body: &mut Anatomy) {
    bowel(body);
    spleen(body);
    stomach(body);
}

/// Organs that lie on the liver's inner face: vena cava, kidneys, gallbladder, pancreas, adrenals.
pub fn beside_the_liver(body: &mut Anatomy) {
    let cava = liver::vena_cava(body);
    let hu = 0.88 * body.contrast.hepatic;
    body.paint_uniform(cava, hu);
    kidney(body, -1.0);
    kidney(body, 1.0);
    gallbladder(body);
    pancreas(body);
    adrenals(body);
}

fn spleen(body: &mut Anatomy) {
    let size = body.random(0.85, 1.2);
    let (centre, radii) = (
        body.at([92.0, 34.0, -62.0]),
        body.size([34.0 * size, 46.0 * size, 50.0 * size]),
    );
    let hollow = Shape::ellipsoid(
        body.exactly([52.0, 10.0, -66.0]),
        body.exactly([42.0, 44.0, 60.0]),
    );
    let spleen = Shape::except(Shape::turned(centre, radii, 0.45), vec![hollow], 0.0)
        .within(&body.inside(), -2.0);
    let hu = body.contrast.spleen;
    body.paint_tissue(spleen, hu);
}

fn stomach(body: &mut Anatomy) {
    let contrast_meal = body.random(0.0, 1.0) < 0.3;
    let fluid = if contrast_meal { 210.0 } else { 22.0 };
    let parts: [(Point, Point, f32); 3] = [
        ([58.0, 2.0, -34.0], [34.0, 40.0, 32.0], 0.3),
        ([56.0, -30.0, -72.0], [30.0, 34.0, 42.0], 0.2),
        ([24.0, -46.0, -112.0], [36.0, 22.0, 24.0], -0.2),
    ];
    let parts = parts
        .map(|(place, radii, turn)| Shape::turned(body.at(place), body.size(radii), turn))
        .into();
    let outer = Shape::blend(parts, 18.0).within(&body.inside(), -2.0);
    let wall = body.random(3.5, 6.0);
    let hu = body.contrast.bowel_wall;
    body.paint_tissue(outer.clone(), hu);
    let level = body.exactly([0.0, -34.0, 0.0])[1] + body.random(-12.0, 14.0);
    let up = -body.supine;
    body.paint(Structure::new(
        outer.grown(-wall),
        Fill::GasOverFluid {
            level: level * body.supine,
            up,
            fluid,
        },
    ));
}

fn bowel(body: &mut Anatomy) {
    let wall_hu = body.contrast.bowel_wall;
    let inside = body.inside();
    // Small bowel and the vessels of its mesentery.
    for _ in 0..84 {
        let place = [
            body.random(-88.0, 96.0),
            body.random(-86.0, 6.0),
            body.random(-330.0, -112.0),
        ];
        let centre = body.exactly(place);
        let radius = body.random(9.0, 15.0);
        let to = [
            centre[0] + body.random(-34.0, 34.0),
            centre[1] + body.random(-14.0, 14.0),
            centre[2] + body.random(-20.0, 20.0),
        ];
        let loop_of_bowel = Shape::capsule(centre, to, radius).within(&inside, -4.0);
        body.paint_tissue(loop_of_bowel.clone(), wall_hu);
        let filling = body.random(0.0, 1.0);
        let fill = if filling < 0.25 {
            Fill::GasOverFluid {
                level: centre[1],
                up: -body.supine,
                fluid: 30.0,
            }
        } else if filling < 0.4 {
            Fill::Uniform(body.random(180.0, 380.0))
        } else {
            Fill::Uniform(body.random(10.0, 45.0))
        };
        body.paint(Structure::new(loop_of_bowel.grown(-2.6), fill));
    }
    for _ in 0..40 {
        let place = [
            body.random(-50.0, 60.0),
            body.random(-50.0, 4.0),
            body.random(-300.0, -100.0),
        ];
        let centre = body.exactly(place);
        let to = [
            centre[0] + body.random(-16.0, 16.0),
            centre[1] + body.random(-16.0, 6.0),
            centre[2] - body.random(10.0, 30.0),
        ];
        let vessel = Shape::capsule(centre, to, body.random(1.2, 2.8));
        let hu = body.contrast.portal;
        body.paint_uniform(vessel, hu);
    }
    // Ascending, transverse and descending colon, with both flexures.
    let frame: [[Point; 2]; 4] = [
        [[-100.0, 22.0, -340.0], [-96.0, 10.0, -178.0]],
        [[-90.0, -20.0, -170.0], [-20.0, -70.0, -182.0]],
        [[-20.0, -70.0, -182.0], [88.0, -34.0, -96.0]],
        [[104.0, 4.0, -92.0], [108.0, 32.0, -340.0]],
    ];
    for [from, to] in frame {
        let (from, to) = (body.at(from), body.at(to));
        let colon = Shape::capsule(from, to, body.random(15.0, 21.0)).within(&inside, -3.0);
        body.paint_tissue(colon.clone(), wall_hu);
        let field = body.field(11.0);
        body.paint(Structure::new(
            colon.grown(-3.0),
            Fill::Mottled { hu: 35.0, field },
        ));
    }
}

fn kidney(body: &mut Anatomy, side: f32) {
    let shape = liver::kidney(body, side);
    let hu = body.contrast.cortex;
    body.paint_tissue(shape.clone(), hu);
    let fill = Fill::Uniform(body.contrast.medulla);
    body.paint(Structure::new(shape.clone().grown(-8.0), fill).with_edge(4.0));
    // The sinus: fat with the pelvis and vessels in it, open towards the midline.
    let drop = if side < 0.0 { -24.0 } else { -4.0 };
    let centre = body.at([52.0 * side, 36.0, -128.0 + drop]);
    let sinus = Shape::turned(centre, body.exactly([16.0, 9.0, 26.0]), -0.6 * side);
    body.paint_uniform(sinus, -70.0);
    let pelvis = Shape::turned(centre, body.exactly([12.0, 4.0, 12.0]), -0.6 * side);
    body.paint_uniform(pelvis, 40.0);
    let (vein, hu) = (
        Shape::capsule(
            body.exactly([50.0 * side, 34.0, -124.0 + drop]),
            body.exactly([-6.0, 6.0, -118.0 + drop]),
            4.0,
        ),
        body.contrast.hepatic,
    );
    body.paint_uniform(vein, hu);
}

fn gallbladder(body: &mut Anatomy) {
    let shape = liver::gallbladder(body);
    body.paint_uniform(shape.clone(), 55.0);
    // One in ten is full of sludge or contrast.
    let hu = if body.random(0.0, 1.0) < 0.1 {
        85.0
    } else {
        body.random(3.0, 18.0)
    };
    body.paint_uniform(shape.grown(-2.0), hu);
}

fn pancreas(body: &mut Anatomy) {
    let hu = body.contrast.pancreas;
    let path: [Point; 5] = [
        [-22.0, -18.0, -142.0],
        [-14.0, -22.0, -118.0],
        [10.0, -24.0, -108.0],
        [42.0, -4.0, -100.0],
        [72.0, 14.0, -88.0],
    ];
    let path = path.map(|place| body.at(place));
    let parts = path
        .windows(2)
        .map(|ends| Shape::Capsule {
            from: ends[0],
            to: ends[1],
            radii: [12.0, 9.5],
        })
        .collect();
    // Lobules with fat between them.
    let fill = body.textured(hu - 12.0, 34.0, 5.0);
    body.paint(Structure::new(Shape::blend(parts, 6.0), fill));
    // The splenic vein runs along its back.
    let (from, to) = (
        body.exactly([-4.0, -6.0, -112.0]),
        body.exactly([76.0, 24.0, -82.0]),
    );
    let hu = body.contrast.portal;
    body.paint_uniform(Shape::capsule(from, to, 4.2), hu);
    // Duodenum, around the head of the pancreas.
    let (from, to) = (
        body.at([-27.0, -16.0, -118.0]),
        body.at([-32.0, -8.0, -190.0]),
    );
    let hu = body.contrast.bowel_wall;
    body.paint_tissue(Shape::capsule(from, to, 13.0), hu);
    body.paint_uniform(Shape::capsule(from, to, 9.0), 25.0);
    // Superior mesenteric artery and vein.
    let (artery, vein) = (body.contrast.aorta, body.contrast.portal);
    for (x, radius, hu) in [(6.0, 3.6, artery), (-6.0, 5.5, vein)] {
        let (from, to) = (
            body.exactly([x, -4.0, -112.0]),
            body.exactly([x, -16.0, -270.0]),
        );
        body.paint_uniform(Shape::capsule(from, to, radius), hu);
    }
}

fn adrenals(body: &mut Anatomy) {
    for side in [-1.0, 1.0] {
        let top = body.exactly([30.0 * side - 4.0, 26.0, -78.0]);
        for limb in [[38.0, 40.0, -92.0], [46.0, 34.0, -92.0]] {
            let end = body.exactly([limb[0] * side - 4.0, limb[1], limb[2]]);
            body.paint_uniform(Shape::capsule(top, end, 2.6), 70.0);
        }
    }
}
