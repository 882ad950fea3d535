"""What the pipeline promises. Run with `models/train check`; needs no patient data."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from pipeline import bundle, export, fit, heads, identity, losses, negatives, phantom, prompts, quantise, replay, tumours
from pipeline.baselines import UNet, VNet
from pipeline.data import BACKGROUND, IGNORED, LIVER, LIVER_OR_TUMOUR, SIZE, TUMOUR, Slice, patient_of, windows
from pipeline.evaluate import LesionTally
from pipeline.familiar import Familiarity
from pipeline.network import HEADS, Model, Widths, answer
from pipeline.scores import dice, score_slices
from pipeline.sources import Mixture

SMALL = Widths(half=4, quarter=8, eighth=12, sixteenth=24, embedding=8, blocks=1, heads=2)


class Labels(unittest.TestCase):
    def test_a_dark_region_of_an_annotated_liver_is_undecided_and_the_rest_is_liver(self):
        hu = np.full((64, 64), 100, dtype=np.float32)
        inside = np.zeros((64, 64), dtype=bool)
        inside[8:56, 8:56] = True
        hu[20:32, 20:32] = 50
        label = tumours.natural_labels(hu, inside)
        self.assertEqual(label[26, 26], LIVER_OR_TUMOUR)
        self.assertEqual(label[45, 45], LIVER)
        self.assertEqual(label[2, 2], BACKGROUND)

    def test_painting_changes_the_slice_exactly_where_it_says_tumour_or_cyst(self):
        label = np.full((SIZE, SIZE), LIVER, dtype=np.uint8)
        hu = np.full((SIZE, SIZE), 110, dtype=np.float32)
        tumours.paint(np.random.default_rng(3), hu, label, 1.5, 4)
        self.assertTrue((label == TUMOUR).any())
        self.assertGreater(np.abs(hu[label == TUMOUR] - 110).mean(), 5)

    def test_an_undecided_pixel_is_satisfied_by_either_class(self):
        label = torch.full((1, 8, 8), LIVER_OR_TUMOUR, dtype=torch.uint8)
        sure = torch.full((1, 3, 8, 8), -9.0)
        as_liver, as_tumour, as_air = (sure.clone() for _ in range(3))
        as_liver[:, LIVER], as_tumour[:, TUMOUR], as_air[:, BACKGROUND] = 9.0, 9.0, 9.0
        self.assertAlmostEqual(
            losses.segmentation(as_liver, label).item(), losses.segmentation(as_tumour, label).item(), places=4
        )
        self.assertGreater(losses.segmentation(as_air, label).item(), 5.0)

    def test_an_ignored_pixel_moves_no_loss(self):
        label = torch.zeros((1, 8, 8), dtype=torch.uint8)
        logits = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
        label[:, :4] = IGNORED
        other = logits.clone()
        other[:, :, :4] += torch.tensor([5.0, -3.0, 1.0])[None, :, None, None]
        self.assertAlmostEqual(
            losses.segmentation(logits, label).item(), losses.segmentation(other, label).item(), places=5
        )


class Phantoms(unittest.TestCase):
    def test_an_abdomen_shows_liver_and_a_seed_always_draws_the_same(self):
        first, again = (phantom.abdomen(np.random.default_rng(5)) for _ in range(2))
        self.assertTrue((first.label == LIVER).any())
        np.testing.assert_array_equal(first.hu, again.hu)

    def test_no_negative_has_a_label_and_every_kind_is_drawn(self):
        rng = np.random.default_rng(7)
        drawn = [negatives.negative(rng) for _ in range(60)]
        self.assertTrue(all((one.label == BACKGROUND).all() for one in drawn))
        self.assertEqual({one.region for one in drawn}, {"trunk", "head", "limb", "other"})


class Replay(unittest.TestCase):
    def test_a_run_of_several_parts_is_run_again_from_its_log(self):
        drawn = [phantom.abdomen(np.random.default_rng(seed)) for seed in (1, 2)]
        slices = [
            Slice(np.clip(one.hu, 0, 255), (one.label != BACKGROUND).astype(np.uint8), str(i), str(i))
            for i, one in enumerate(drawn)
        ]
        plan = fit.Plan(batch=2, report_every=1, evaluate_every=1, warmup_steps=2, decay_share=0.5)
        parts = [
            (dataclasses.replace(plan, steps=2), Mixture(phantom=0, negative=0)),
            (dataclasses.replace(plan, steps=4, seed=7), Mixture(phantom=0, negative=0, strength=0.5)),
        ]
        with tempfile.TemporaryDirectory() as name:
            first, again = Path(name) / "first", Path(name) / "again"
            first.mkdir()
            again.mkdir()
            for part, mixture in parts:
                fit.fit(slices, slices, first, part, mixture, SMALL, "linear")
            log = first / "training-log.jsonl"
            log.write_text(log.read_text() + '{"step": 4, "averaged": [2, 3, 4]}\n')
            recipe = replay.read(log)
            self.assertEqual((recipe.widths, recipe.head), (SMALL, "linear"))
            ends = [(one.plan.steps, one.plan.seed, one.mixture.strength) for one in recipe.segments]
            self.assertEqual(ends, [(2, 1, 1.0), (3, 7, 0.5), (4, 7, 0.5)])
            self.assertEqual(recipe.seed, 7)

            points = replay.run(recipe, slices, slices, again)
            self.assertEqual([fit.steps_of(point) for point in points], [2, 3, 4])
            self.assertEqual(replay.read(again / "training-log.jsonl").seed, 7)
            logged = [json.loads(line) for line in (again / "training-log.jsonl").read_text().splitlines()]
            rates = [[one["rate"] for one in logged if "rate" in one]]
            logged = [json.loads(line) for line in log.read_text().splitlines()]
            rates.append([one["rate"] for one in logged if "rate" in one])
            np.testing.assert_allclose(*rates, rtol=1e-6)

    def test_a_log_without_training_is_refused(self):
        with tempfile.TemporaryDirectory() as name:
            log = Path(name) / "log.jsonl"
            log.write_text('{"step": 4}\n')
            with self.assertRaisesRegex(ValueError, "no training"):
                replay.read(log)


def literally(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A graph run node by node: ONNX Runtime's own rewriting would turn quantised weights into products of integers."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(graph.SerializeToString(), options)


class Graphs(unittest.TestCase):
    def test_a_quantised_graph_and_what_an_engine_without_integer_kernels_makes_of_it_agree_with_the_network(self):
        torch.manual_seed(2)
        model = Model(SMALL).eval()
        image = windows(np.clip(phantom.abdomen(np.random.default_rng(1)).hu, 0, 255))[None]
        with tempfile.TemporaryDirectory() as name, torch.no_grad():
            folder = Path(name)
            cloud = Familiarity(np.random.default_rng(2).standard_normal((40, SMALL.sixteenth)).astype(np.float32))
            encoder, _ = export.export(model, cloud, folder)
            expected = model.encoder(torch.from_numpy(image))[0].numpy()
            quantise.quantise(encoder, folder / "int8.onnx", [image], bundle.FLOAT_NODES)
            whole = onnx.load(folder / "int8.onnx")
            wired, plain = quantise.without_activation_pairs(whole), quantise.in_float(whole)
        self.assertEqual({node.op_type for node in plain.graph.node} & {"QuantizeLinear", "DequantizeLinear"}, set())
        embeddings = []
        for graph in (whole, wired, plain):
            found, distance = literally(graph).run(["embedding", "distance"], {"image": image})
            self.assertEqual(distance.shape, (1, 1))
            self.assertGreater(np.corrcoef(found.ravel(), expected.ravel())[0, 1], 0.99)
            embeddings.append(found)
        np.testing.assert_allclose(embeddings[1], embeddings[2], atol=1e-5)

    def test_a_weight_folded_to_float_is_what_the_graph_would_make_of_it(self):
        rng = np.random.default_rng(6)
        for scales, zeros in (((), None), ((), -3), ((4,), None), ((4,), 5)):
            axis = {"axis": 1} if scales else {}
            constants = {"weight": rng.integers(-128, 128, (3, 4), dtype=np.int8), "scale": rng.random(scales, np.float32)}
            if zeros is not None:
                constants["zero"] = np.full(scales, zeros, np.int8)
            nodes = [
                onnx.helper.make_node("DequantizeLinear", list(constants), ["float"], **axis),
                onnx.helper.make_node("MatMul", ["in", "float"], ["out"]),
            ]
            shapes = {name: onnx.helper.make_tensor_value_info(name, 1, [1, width]) for name, width in (("in", 3), ("out", 4))}
            graph = onnx.helper.make_graph(
                nodes, "one", [shapes["in"]], [shapes["out"]],
                [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
            )
            whole = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
            folded = quantise.in_float(whole)
            self.assertEqual([node.op_type for node in folded.graph.node], ["MatMul"])
            given = {"in": rng.random((1, 3), np.float32)}
            found = [literally(one).run(None, given)[0] for one in (whole, folded)]
            np.testing.assert_allclose(*found, rtol=1e-6)

    def test_a_head_ends_at_the_resolution_of_what_it_takes(self):
        embedding, skip = torch.zeros(1, 8, SIZE // 4, SIZE // 4), torch.zeros(1, 4, SIZE // 2, SIZE // 2)
        for name, head in HEADS.items():
            side = SIZE if "skip" in head.takes else SIZE // 2
            self.assertEqual(answer(head(8, 4).eval(), embedding, skip).shape, (1, 3, side, side), name)

    def test_the_networks_it_is_compared_with_give_a_logit_per_class_and_pixel(self):
        for network in (UNet(4), VNet(4)):
            self.assertEqual(network.eval()(torch.zeros(1, 3, 64, 64)).shape, (1, 3, 64, 64))


    def test_the_distance_is_one_for_what_it_was_made_from_and_more_beyond(self):
        rng = np.random.default_rng(4)
        tokens = (rng.standard_normal((500, 6)) * [9, 5, 3, 2, 1, 0.5] + 4).astype(np.float32)
        cloud = Familiarity(tokens, components=6)
        with torch.no_grad():
            own = cloud(torch.from_numpy(tokens))[:, 0]
            far = cloud(torch.from_numpy(tokens[:1] + 40))
        self.assertAlmostEqual((own**2).mean().item(), 1.0, places=2)
        self.assertGreater(far.item(), 10)

    def test_a_graph_without_the_nodes_that_are_to_stay_float_is_refused(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "head.onnx"
            export.export_head(HEADS["linear"](8), {"embedding": torch.zeros(1, 8, 4, 4)}, path)
            with self.assertRaisesRegex(ValueError, "no nodes"):
                quantise.quantise(path, Path(name) / "out.onnx", [], ["/stem/gone"])


class Prompts(unittest.TestCase):
    def test_a_point_lies_inside_and_a_box_around_what_is_asked_for(self):
        ring = np.zeros((SIZE, SIZE), dtype=bool)
        ring[40:100, 60:160] = True
        ring[50:90, 70:150] = False
        places, kinds = prompts.point(ring)
        row, column = (places[0] * SIZE).astype(int)
        self.assertTrue(ring[row, column], "the centre of a ring is not in it")
        self.assertEqual(kinds, [prompts.INSIDE, prompts.NOTHING])
        corners, _ = prompts.box(ring, 0, np.random.default_rng(1))
        np.testing.assert_allclose(corners * SIZE, [[40, 60], [100, 160]])

    def test_a_box_decides_which_of_two_squares_is_meant(self):
        torch.manual_seed(3)
        label = np.full((SIZE, SIZE), BACKGROUND, dtype=np.uint8)
        label[10:230, 10:230] = LIVER
        label[30:90, 30:90], label[150:220, 140:220] = TUMOUR, TUMOUR
        embedding = torch.from_numpy(label[2::4, 2::4].astype(np.float32)).expand(8, -1, -1).clone()
        head, targets = prompts.PromptHead(8, blocks=1, heads=2), prompts.structures(label)
        asked = [prompts.box(target, 0, np.random.default_rng(1)) for target in targets]
        at = torch.from_numpy(np.stack([places for places, _ in asked])).float()
        kinds = torch.tensor([kinds for _, kinds in asked])
        truth = torch.from_numpy(np.stack(targets))
        optimiser = torch.optim.AdamW(head.parameters(), lr=5e-3)
        for _ in range(100):
            loss = prompts.loss(head(embedding[None].expand(3, -1, -1, -1), at, kinds), truth, torch.ones_like(truth))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            masks = head.eval()(embedding[None].expand(3, -1, -1, -1), at, kinds)[:, 0] > 0
        for mask, target in zip(masks.numpy(), targets, strict=True):
            self.assertGreater(dice(mask, target[::2, ::2]), 0.8)


class Scores(unittest.TestCase):
    def test_dice_of_halves_and_of_nothing(self):
        left = np.array([True, True, False, False])
        self.assertEqual(dice(left, np.array([False, True, True, False])), 0.5)
        self.assertEqual(dice(left & False, left & False), 1.0)

    def test_pooled_dice_weighs_pixels_and_the_slice_mean_weighs_slices(self):
        label = np.zeros((SIZE, SIZE), dtype=np.uint8)
        label[:100] = LIVER
        small = np.zeros_like(label)
        small[0, :10] = LIVER
        slices = [Slice(label.astype(np.float32), label, "a", "a1"), Slice(small.astype(np.float32), small, "a", "a2")]
        scores = score_slices([label, np.zeros_like(small)], slices)
        self.assertGreater(scores["liver_pooled"], 0.99)
        self.assertEqual(scores["liver_slice_mean"], 0.5)

    def test_a_found_lesion_a_missed_one_and_a_false_one_are_counted_apart(self):
        truth, answer = np.zeros((2, 64, 64), dtype=bool)
        truth[5:15, 5:15], truth[40:50, 40:50] = True, True
        answer[6:15, 5:15], answer[30:36, 5:11] = True, True
        tally = LesionTally()
        tally.add(answer, truth, np.zeros_like(truth), 1.6)
        self.assertEqual(tally.found["10 to 20 mm"], [True, False])
        self.assertEqual(tally.false_lesions, 1)

    def test_what_is_smaller_than_a_disc_of_2_mm_is_no_false_lesion_whatever_the_pixels(self):
        nothing, one, four = np.zeros((3, 64, 64), dtype=bool)
        one[20, 20], four[20:22, 20:22] = True, True
        for mm, pixels_of_a_speck, false in ((2.0, one, 1), (1.0, one, 0), (1.0, four, 1), (0.8, four, 0)):
            tally = LesionTally()
            tally.add(pixels_of_a_speck, nothing, nothing, mm)
            self.assertEqual(tally.false_lesions, false, f"{pixels_of_a_speck.sum()} pixels of {mm} mm")


class Names(unittest.TestCase):
    def test_a_patient_is_what_stands_before_the_last_underscore(self):
        names = ("7_031", "site_b_7_031", "liver", "7_")
        self.assertEqual([patient_of(name) for name in names], ["7", "site_b_7", "liver", "7"])

    def test_a_bundle_is_called_what_the_appliance_installs(self):
        for name, version in (("liver-tumour", "1.10.0"), ("2-phase", "0"), ("x" * 64, "1.2.3.4294967295")):
            identity.check(name, version)
        for name, version in (
            ("liver-tumour", "1.0.0+tuned"), ("Liver", "1"), ("", "1"), ("-x", "1"), ("a/b", "1"), ("x" * 65, "1"),
            ("x", ""), ("x", "1."), ("x", "01"), ("x", "+1"), ("x", "1.2.3.4.5"), ("x", "4294967296"), ("x", "1\n"),
            ("x", "\u0661"),
        ):
            with self.assertRaisesRegex(ValueError, "numbers with dots", msg=f"{name}@{version}"):
                identity.check(name, version)


if __name__ == "__main__":
    unittest.main()
