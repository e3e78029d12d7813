import BulwarkTensor
import BulwarkWatermark
import Testing

@Suite("Errors of watermarking say what was expected")
struct WatermarkErrorTests {
  @Test("a setting names its key, what was expected and what was found")
  func setting() {
    let error = WatermarkError.setting("ingrain.weight", expected: "0 or more", found: "-1")
    #expect(error.summary == "ingrain.weight must be 0 or more, but is -1")
    #expect(error.category == .usage)
  }
}
