import BulwarkNN
import BulwarkStore
import BulwarkTensor
import Foundation
import Testing

/// What a checkpoint adds to its tensors: names, types, digests, recipe, history.
@Suite struct CheckpointSizeTests {
  @Test(arguments: [16, 64])
  func atMostTwoPercentOfTheTensors(_ width: Int) throws {
    let model = try Architecture(.resNet18, width: width, classes: 10)
      .build(key: RandomKey(seed: 1))
    let weights = StateDict(try model.state.snapshot().map { ($0.name, $0.tensor) })
    var checkpoint = Checkpoint(
      weights: weights, classNames: (0..<10).map { "class \($0)" },
      recipe: String(repeating: "a line of thirty-two characters\n", count: 64),
      fingerprints: ["train": String(repeating: "0", count: 64)])
    checkpoint.optimizer = .init(
      tensors: StateDict(
        model.state.parameters.map { ($0.name + ".momentum", $0.tensor) }))
    checkpoint.indexSets["poisoned"] = Array(0..<500)
    for metric in ["train_loss", "clean_accuracy", "attack_success_rate", "suspicion_auc"] {
      checkpoint.history.append(
        MetricSeries(
          name: "stage/" + metric, unit: "fraction", steps: Array(0..<40),
          values: Array(repeating: 0.5, count: 40)))
    }
    let path = NSTemporaryDirectory() + "bulwark-size-\(UInt64.random(in: 0 ... .max)).h5"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try checkpoint.write(to: path)
    let size = try #require(
      FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    let tensors = weights.byteCount + (checkpoint.optimizer?.tensors.byteCount ?? 0)
    let overhead = Double(size) / Double(tensors) - 1
    #expect(overhead > 0 && overhead <= 0.02)
  }
}
