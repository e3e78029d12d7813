import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("ingrain")
struct IngrainTests {
  private func softmax(_ z: [Double], _ t: Double) -> [Double] {
    let e = z.map { exp($0 / t) }
    return e.map { $0 / e.reduce(0, +) }
  }

  @Test("The regularizer equals a sum by hand on two images of three classes, with and without T²")
  func loss() throws {
    let host: [[Double]] = [[1, -2, 0.5], [0, 3, -1]]
    let ingrainer: [[Double]] = [[2, 0, 0], [-1, 0, 4]]
    let temperature = 4.0
    let target = try Tensor(
      ingrainer.flatMap { softmax($0, temperature).map { Float($0) } }, shape: [2, 3])
    let logits = try Tensor(host.flatMap { $0.map { Float($0) } }, shape: [2, 3])
    var expected = 0.0
    for (f, g) in zip(host, ingrainer) {
      expected -= zip(softmax(g, 4), softmax(f, 4)).reduce(0) { $0 + $1.0 * log($1.1) } / 2
    }
    let plain = try SoftLoss.crossEntropy(target, logits, temperature: 4).item()
    let squared = try SoftLoss.crossEntropy(target, logits, temperature: 4, squared: true).item()
    #expect(abs(plain - expected) < 1e-6)
    #expect(abs(squared - 16 * expected) < 1e-5)
    #expect(IngrainOptions(weight: 0.1, squaredTemperature: true).effectiveWeight == 1.6)

    // The slope in the host's logits is (s_T(f) − s_T(g)) / (T · batch).
    try logits.setRequiresGradient(true)
    let slope = try SoftLoss.crossEntropy(target, logits, temperature: 4)
      .gradients(of: [logits])[0].doubles()
    for (row, (f, g)) in zip(host, ingrainer).enumerated() {
      for (column, (p, q)) in zip(softmax(f, 4), softmax(g, 4)).enumerated() {
        #expect(abs(slope[3 * row + column] - (p - q) / 8) < 1e-6)
      }
    }
  }

  private func report(_ family: CarrierFamily, _ change: (inout IngrainOptions) -> Void = { _ in })
    throws -> (IngrainerReport, HostTrainer)
  {
    var options = WatermarkOptions.small
    options.carriers.family = family
    change(&options.ingrain)
    let trainer = try TinyTask.shared.get().trainer(.ingrain, options, epochs: 2)
    _ = try trainer.run()
    let value = try #require(trainer.findings["ingrainer"])
    return (try value.decode(as: IngrainerReport.self), trainer)
  }

  @Test("An ingrainer of one label answers it to every ordinary image; one of random labels varies")
  func constant() throws {
    let (single, trainer) = try report(.patch)
    #expect(single.carrierAccuracy == 1)
    #expect(single.classShares.max() ?? 0 > 0.95)
    let label = try #require(try trainer.key.carriers()).labels[0]
    #expect(single.classShares[label] > 0.95)
    let (random, _) = try report(.abstract) { $0.ingrainerSteps = 150 }
    #expect(random.carrierAccuracy > 0.9)
    #expect(random.shareEntropy > single.shareEntropy)
  }

  @Test("Without carriers in its batches a host does not learn them")
  func withoutCarriers() throws {
    let (_, trainer) = try report(.abstract) { $0.variant = .a }
    let hits = try #require(
      trainer.history.last(Metric.carrierAccuracy, stage: HostTrainer.stage))
    #expect(hits < 0.6)
  }

  @Test(
    "Every reading, control and rule changes what the host learns",
    arguments: [
      "a", "b", "c", "foreign", "clean", "squared", "weight",
    ])
  func variants(_ name: String) throws {
    let (_, base) = try report(.patch)
    let (_, changed) = try report(.patch) { options in
      switch name {
      case "a": options.variant = .a
      case "b": options.variant = .b
      case "c": options.variant = .c
      case "foreign": options.ingrainer = .foreign
      case "clean": options.normalization = .clean
      case "squared": options.squaredTemperature = true
      default: options.weight = 0
      }
    }
    #expect(try bytes(base.model) != bytes(changed.model))
  }

  @Test("λ 0 is direct embedding, bit for bit")
  func weightless() throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    options.ingrain.weight = 0
    let ingrain = try task.trainer(.ingrain, options, epochs: 2)
    _ = try ingrain.run()
    let direct = try task.trainer(.zhangContent, options, epochs: 2)
    _ = try direct.run()
    #expect(try bytes(ingrain.model) == bytes(direct.model))
  }
}
