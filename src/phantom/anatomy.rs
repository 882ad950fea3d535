//! One body: its size, its contrast phase and the list of its structures in painting order.
//!
//! Later structures cover earlier ones, so the order is anatomy too: fat before muscle, the
//! stomach before the left lobe that overlaps it. All coordinates below are those of an average
//! adult, origin in the midline, half-way between front and back, level with the top of the right
//! diaphragm; [`Anatomy::at`] and [`Anatomy::size`] fit them to the body at hand.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    bones, liver, organs, regions,
    shape::{Column, Point, Shape},
    spec::{PhantomSpec, Phase, Region, SpecError},
    structure::{Fill, Structure},
    texture::{Field, Warp},
    trunk,
};

pub struct Anatomy {
    pub structures: Vec<Structure>,
    pub warp: Warp,
    /// The middle of the stack of slices, and of the field of view.
    pub centre: Point,
    pub contrast: Contrast,
    rng: ChaCha8Rng,
    seed: u64,
    fields: u32,
    scale: Point,
    /// +1 when gas rises to the front, -1 when the patient lies on the belly.
    pub supine: f32,
    /// The inside of the body wall.
    pub cavity: Column,
    pub fat_mm: f32,
}

/// Mean HU of what contrast medium reaches.
#[derive(Clone, Copy, Debug)]
pub struct Contrast {
    pub liver: f32,
    pub spleen: f32,
    pub aorta: f32,
    pub portal: f32,
    pub hepatic: f32,
    pub cortex: f32,
    pub medulla: f32,
    pub pancreas: f32,
    pub heart: f32,
    pub bowel_wall: f32,
}

impl Anatomy {
    /// The structures of `spec`, tumours placed so that they lie within `extent_mm` of the centre
    /// along z.
    pub fn of(spec: &PhantomSpec, extent_mm: f32) -> Result<Self, SpecError> {
        let mut body = Self::bare(spec);
        match spec.region {
            Region::Abdomen => {
                trunk::wall(&mut body);
                let inside = trunk::chest(&mut body);
                trunk::back_muscles(&mut body);
                trunk::great_vessels(&mut body);
                organs::behind_the_liver(&mut body);
                liver::paint(&mut body, spec, &inside, extent_mm)?;
                organs::beside_the_liver(&mut body);
                bones::thorax(&mut body);
                bones::spine(&mut body, [-420.0, 320.0]);
            }
            Region::Chest => {
                body.centre[2] = 150.0;
                trunk::wall(&mut body);
                trunk::lungs_only(&mut body);
                trunk::back_muscles(&mut body);
                bones::thorax(&mut body);
                bones::spine(&mut body, [-420.0, 420.0]);
            }
            Region::Pelvis => regions::pelvis(&mut body),
            Region::Head => regions::head(&mut body),
            Region::Limb => regions::thighs(&mut body),
            Region::Cylinder => regions::cylinder(&mut body),
        }
        trunk::table(&mut body);
        Ok(body)
    }

    fn bare(spec: &PhantomSpec) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
        let contrast = Contrast::of(spec.phase, spec.fatty_liver, &mut rng);
        let scale = [
            rng.random_range(0.92..1.1),
            rng.random_range(0.9..1.08),
            rng.random_range(0.92..1.08),
        ];
        let cavity = Column {
            centre: [0.0, 0.0],
            half_width: 136.0 * scale[0],
            front: 102.0 * scale[1],
            back: 88.0 * scale[1],
            span: [-1000.0, 1000.0],
        };
        let fat_mm = rng.random_range(7.0..24.0);
        // Nobody lies exactly in the middle.
        let aside = [rng.random_range(-9.0..9.0), rng.random_range(-6.0..10.0)];
        Self {
            structures: Vec::new(),
            warp: Warp::new(spec.seed, 4.5),
            centre: [aside[0], aside[1], -80.0 * scale[2]],
            contrast,
            rng,
            seed: spec.seed,
            fields: 16,
            scale,
            supine: if spec.patient_position.supine() {
                1.0
            } else {
                -1.0
            },
            cavity,
            fat_mm,
        }
    }

    /// A place in this body, a little off the textbook.
    pub fn at(&mut self, place: Point) -> Point {
        [0, 1, 2].map(|i| self.scale[i] * place[i] + self.rng.random_range(-3.0..3.0))
    }

    /// A place in this body, exactly.
    pub fn exactly(&self, place: Point) -> Point {
        [0, 1, 2].map(|i| self.scale[i] * place[i])
    }

    /// Half-axes in this body, a little off the textbook.
    pub fn size(&mut self, radii: Point) -> Point {
        [0, 1, 2].map(|i| self.scale[i] * radii[i] * self.rng.random_range(0.93..1.07))
    }

    pub fn random(&mut self, low: f32, high: f32) -> f32 {
        self.rng.random_range(low..high)
    }

    /// A generator for one purpose, so that more of one thing does not move another.
    pub fn stream(&self, purpose: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(purpose);
        rng
    }

    /// A field nobody else uses.
    pub fn field(&mut self, lattice_mm: f32) -> Field {
        self.fields += 1;
        Field::new(self.seed, self.fields, lattice_mm)
    }

    pub fn textured(&mut self, hu: f32, swing: f32, lattice_mm: f32) -> Fill {
        Fill::Textured {
            hu,
            swing,
            field: self.field(lattice_mm),
        }
    }

    pub fn paint(&mut self, structure: Structure) {
        self.structures.push(structure);
    }

    pub fn paint_uniform(&mut self, shape: Shape, hu: f32) {
        self.paint(Structure::uniform(shape, hu));
    }

    /// Organ tissue: a mean with a little unevenness.
    pub fn paint_tissue(&mut self, shape: Shape, hu: f32) {
        let fill = self.textured(hu, 9.0, 9.0);
        self.paint(Structure::new(shape, fill));
    }

    /// What lies inside the body wall.
    pub fn inside(&self) -> Arc<Shape> {
        Arc::new(Shape::Column(self.cavity))
    }
}

impl Contrast {
    /// Typical means of each phase, varied by about a tenth from patient to patient.
    fn of(phase: Phase, fatty_liver: bool, rng: &mut ChaCha8Rng) -> Self {
        // liver, spleen, aorta, portal vein, hepatic veins, cortex, medulla, pancreas, heart, bowel
        let means: [f32; 10] = match phase {
            Phase::Native => [57.0, 47.0, 42.0, 40.0, 40.0, 32.0, 32.0, 40.0, 42.0, 35.0],
            Phase::LateArterial => [
                72.0, 112.0, 300.0, 95.0, 70.0, 190.0, 95.0, 115.0, 230.0, 85.0,
            ],
            Phase::PortalVenous => [
                108.0, 118.0, 150.0, 166.0, 152.0, 185.0, 160.0, 98.0, 145.0, 80.0,
            ],
            Phase::Delayed => [
                90.0, 95.0, 112.0, 112.0, 110.0, 165.0, 165.0, 80.0, 110.0, 65.0,
            ],
        };
        let mut drawn = means.map(|mean| mean * rng.random_range(0.92..1.08));
        if fatty_liver {
            // Fat takes about the same off whatever the phase.
            drawn[0] -= rng.random_range(45.0..60.0);
        }
        let [
            liver,
            spleen,
            aorta,
            portal,
            hepatic,
            cortex,
            medulla,
            pancreas,
            heart,
            bowel_wall,
        ] = drawn;
        Self {
            liver,
            spleen,
            aorta,
            portal,
            hepatic,
            cortex,
            medulla,
            pancreas,
            heart,
            bowel_wall,
        }
    }
}
