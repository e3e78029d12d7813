import BulwarkTensor

/// A picture mixed into the whole image (Chen et al. 2017, arXiv 1712.05526):
/// x' = x + α (t − x), truncated to 8 bits as Pillow's `Image.blend` does.
///
/// Defaults are the official DBD ones (α 0.1; `SCLBD/DBD`, `data/backdoor.py`). BackdoorBench uses
/// α 0.2 in training and testing. The picture is Bulwark's own, of the brightness of the official
/// one; published numbers belong to the official picture and may shift.
public struct BlendedAttack: Hashable, Sendable, Codable {
  /// Share α of the picture in training images, 0...1; 0 changes nothing.
  public var alpha: Double
  /// Share in test images; nil means `alpha`.
  public var testAlpha: Double?
  /// The picture t.
  public var picture: BlendPicture

  /// The attack with these parameters.
  public init(alpha: Double = 0.1, testAlpha: Double? = nil, picture: BlendPicture = .builtIn) {
    self.alpha = alpha
    self.testAlpha = testAlpha
    self.picture = picture
  }

  private enum CodingKeys: String, CodingKey, CaseIterable { case alpha, testAlpha, picture }

  /// Reads the parameters; missing ones take their defaults.
  public init(from decoder: any Decoder) throws {
    try decoder.refuseKeys(otherThan: ["kind"] + CodingKeys.allCases.map(\.rawValue))
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    alpha = try values.decodeIfPresent(Double.self, forKey: .alpha) ?? alpha
    testAlpha = try values.decodeIfPresent(Double.self, forKey: .testAlpha)
    picture = try values.decodeIfPresent(BlendPicture.self, forKey: .picture) ?? picture
  }

  func validate() throws {
    try require((0...1).contains(alpha), "alpha", alpha, "0...1")
    if let testAlpha { try require((0...1).contains(testAlpha), "testAlpha", testAlpha, "0...1") }
  }

  func prepared(for form: ImageForm, phase: Phase) throws -> any Trigger {
    Blend(
      picture: try picture.values(for: form),
      alpha: phase == .training ? alpha : testAlpha ?? alpha)
  }

  /// In float32, like Pillow's C code, so that results agree with it to the bit.
  private struct Blend: Trigger {
    let picture: Tensor
    let alpha: Double

    func apply(to images: Tensor) throws -> Tensor {
      let x = try images.to(.float32)
      return try (x + (picture - x) * alpha).clamp(min: 0, max: 255).to(.uint8)
    }
  }
}
