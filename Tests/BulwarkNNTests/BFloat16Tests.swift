import BulwarkNN
import BulwarkTensor
import Testing

/// Autocast to bfloat16 against float64, and against the reference framework's own autocast: at
/// most 2e-2. Why most units are on is told in numerics.py.
@Suite struct BFloat16Tests {
  @Test func resNetUnderAutocast() throws {
    let fixture = try Fixture("bfloat16")
    let model = try fixture.classifier()
    let shift = Double(try fixture.number("shift"))
    for entry in model.state.parameters
    where entry.tensor.rank == 1 && entry.name.hasSuffix("bias") && !model.isHead(entry.name) {
      try entry.tensor.copy(from: entry.tensor.detach() + shift)
    }
    let (images, labels) = try fixture.batch()
    let logits = try withAutocast(true, on: .cpu) { try model.logits(images, .training) }
    #expect(logits.dtype == .bfloat16)
    try logits.to(.float32).crossEntropy(labels).backward()

    for prefix in ["", "autocast."] {
      let forward = try Comparison.relativeError(logits, fixture["\(prefix)logits"])
      #expect(forward < 2e-2, "\(prefix)logits: \(forward)")
      let rows = try Comparison.Sketch.rows(fixture["\(prefix)gradients"])
      try #require(rows.count == model.state.parameters.count)
      var (square, whole) = (0.0, 0.0)
      for (row, entry) in zip(rows, model.state.parameters) {
        let gradient = try #require(try entry.tensor.gradient())
        #expect(gradient.dtype == .float32)
        let off = row.error(try Comparison.Sketch.products(of: gradient)) * row.norm
        square += off * off
        whole += row.norm * row.norm
      }
      let backward = (square / whole).squareRoot()
      #expect(backward < 2e-2, "\(prefix)gradients: \(backward)")
    }
  }
}
