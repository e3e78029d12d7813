import BulwarkNN
import BulwarkStore
import BulwarkTensor
import Foundation

/// A file of reference values that Scripts/fixtures/numerics.py made.
struct Fixture {
  let content: Safetensors.Content

  init(_ name: String) throws {
    content = try Safetensors.read(Fixture.path("\(name).safetensors"))
  }

  static func path(_ name: String) -> String {
    Bundle.module.bundleURL.appendingPathComponent("Fixtures/\(name)").path
  }

  struct Missing: Error { let name: String }

  subscript(name: String) -> Tensor {
    get throws {
      guard let tensor = content.tensors[name] else { throw Missing(name: name) }
      return tensor
    }
  }

  func number(_ name: String) throws -> Int {
    guard let value = content.metadata[name].flatMap(Int.init) else { throw Missing(name: name) }
    return value
  }

  func text(_ name: String) throws -> String {
    guard let value = content.metadata[name] else { throw Missing(name: name) }
    return value
  }

  // MARK: What both sides draw instead of storing it

  static let classes = 10

  /// The fixture's classifier with the weights of `seed`.
  func classifier(seed: String = "seed", stem: Architecture.Stem = .cifar) throws
    -> ImageClassifier
  {
    guard let family = Architecture.Family(rawValue: try text("family")) else {
      throw Missing(name: "family")
    }
    let model = try Architecture(
      family, stem: stem, width: number("width"), classes: Fixture.classes
    ).build(key: RandomKey(seed: 0))
    try Fixture.fill(model.state, seed: UInt64(number(seed)))
    return model
  }

  /// Overwrites all weights; the rule is that of `weights` in numerics.py.
  static func fill(_ state: ParameterStore, seed: UInt64) throws {
    for entry in state.entries where entry.tensor.rank > 0 {
      let shape = entry.tensor.shape
      var generator = RandomKey(seed: seed).stream(entry.name).generator()
      let value: (Double) -> Double
      if shape.count == 4 {
        value = { $0 * (6 / Double(shape[0] * shape[2] * shape[3])).squareRoot() }
      } else if shape.count == 2 {
        value = { $0 / Double(shape[1]).squareRoot() }
      } else if entry.name.hasSuffix(".bn2.weight") {
        // Damped residual branches, as in a trained ResNet.
        value = { 0.3 + 0.075 * $0 }
      } else if entry.name.hasPrefix("features") && entry.name.hasSuffix("bias") {
        // Most units of a VGG are on, which makes it better conditioned.
        value = { 1 + 0.2 * $0 }
      } else if entry.name.hasSuffix("weight") || entry.name.hasSuffix("running_var") {
        value = { 1 + 0.25 * $0 }
      } else {
        value = { 0.2 * $0 }
      }
      var values = [Float](repeating: 0, count: entry.tensor.count)
      for index in values.indices {
        values[index] = Float(value(2 * generator.uniform() - 1))
      }
      try entry.tensor.copy(from: Tensor(values, shape: shape))
    }
  }

  /// Images [N, 3, side, side] in -2..<2 and labels [N] of one step.
  func batch(seed: String = "seed", step: Int = 0) throws -> (images: Tensor, labels: Tensor) {
    let key = RandomKey(seed: UInt64(try number(seed)))
    let (count, side) = (try number("count"), try number("side"))
    var pixels = key.stream("images").step(step).generator()
    var classes = key.stream("labels").step(step).generator()
    let images = (0..<count * 3 * side * side).map { _ in Float(4 * pixels.uniform() - 2) }
    let labels = (0..<count).map { _ in Int(classes.next() % UInt64(Fixture.classes)) }
    return (try Tensor(images, shape: [count, 3, side, side]), try Tensor(labels))
  }
}
