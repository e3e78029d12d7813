import BulwarkTensor
import BulwarkTraining
import BulwarkWatermark
import Testing

@Suite("Errors of watermarking say what was expected")
struct WatermarkErrorTests {
  @Test("a setting names its key, what was expected and what was found")
  func setting() throws {
    var options = WatermarkOptions()
    try options.validate(.ingrain)
    options.ingrain.weight = -1
    let error = #expect(throws: RecipeError.self) { try options.validate(.ingrain) }
    #expect(error?.summary == "'watermark.ingrain.weight' must be a number at least 0, but is -1.0")
    #expect(error?.category == .usage)
  }
}
