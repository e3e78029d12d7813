import BulwarkData
import BulwarkTensor

/// A small picture that overwrites the pixels it marks (BadNets; Gu et al. 2017, arXiv 1708.06733).
///
/// A value of the picture that is not 0 marks its channel and overwrites it, a 0 leaves the image as
/// it is; so pure black cannot be part of a trigger. This is how the official DBD code reads trigger
/// files (`SCLBD/DBD`, `data/backdoor.py`). For gray images the picture is turned gray (ITU-R 601).
public struct PatchTrigger: Hashable, Sendable {
  /// Where the patch lies.
  public enum Placement: Hashable, Sendable {
    /// Upper left pixel of the patch; the patch is never scaled.
    case exact(row: Int, column: Int)
    /// The place it would have in a square image of side `reference`, carried over to other sizes:
    /// the patch keeps its share of the free margin, and is enlarged by the whole factor
    /// floor(shorter side / reference), at least 1 (so 16-pixel images get the patch unscaled).
    case scaled(row: Int, column: Int, reference: Int)
  }

  /// How the trigger is called in files and messages.
  public let name: String
  /// The patch; its black values are transparent.
  public let picture: RasterImage
  /// Where it lies.
  public let placement: Placement

  /// The largest row, column or reference side.
  private static let farthest = 1_000_000

  /// A trigger from pixels.
  /// - Throws: `PoisonError.emptyTrigger` when every value is 0, `.invalidParameter` for a place that is
  ///   negative or above 1,000,000, or a reference that cannot hold the patch.
  public init(name: String, picture: RasterImage, placement: Placement) throws {
    guard picture.pixels.contains(where: { $0 != 0 }) else {
      throw PoisonError.emptyTrigger(trigger: name)
    }
    switch placement {
    case .exact(let row, let column):
      let range = 0...PatchTrigger.farthest
      try require(
        range.contains(row) && range.contains(column), "trigger place", "(\(row), \(column))",
        "0 to \(PatchTrigger.farthest)")
    case .scaled(let row, let column, let reference):
      let range = 0...PatchTrigger.farthest
      try require(
        range.contains(row) && range.contains(column) && range.contains(reference)
          && row + picture.height <= reference
          && column + picture.width <= reference,
        "trigger place", "(\(row), \(column))", "a place inside \(reference) x \(reference) pixels")
    }
    self.init(unchecked: name, picture, placement)
  }

  private init(unchecked name: String, _ picture: RasterImage, _ placement: Placement) {
    self.name = name
    self.picture = picture
    self.placement = placement
  }

  /// A trigger from a PNG or JPEG file, laid over the image unscaled.
  ///
  /// A file of the images' size, black but for the trigger, is the official form.
  /// - Parameters:
  ///   - path: the file.
  ///   - row: row of the image where the file's first row goes.
  ///   - column: column of the image where the file's first column goes.
  /// - Throws: `DataError` naming the file, `PoisonError.emptyTrigger`, `.invalidParameter`.
  public init(path: String, row: Int = 0, column: Int = 0) throws {
    try self.init(
      name: path.split(separator: "/").last.map(String.init) ?? path,
      picture: ImageCodec.decode(path: path), placement: .exact(row: row, column: column))
  }

  /// The official DBD trigger: 2×2 pixels at rows 4–5, columns 4–5 of 32×32
  /// (`SCLBD/DBD`, the CIFAR-10 trigger file; also used by its first author's label-consistent code).
  public static let dbd = PatchTrigger(
    unchecked: "dbd-2x2",
    RasterImage(
      width: 2, height: 2, channels: 3,
      pixels: [180, 249, 112, 155, 50, 126, 234, 82, 68, 187, 201, 219]),
    .scaled(row: 4, column: 4, reference: 32))

  /// 3×3 white pixels in the lower right corner (BackdoorBench's and BackdoorBox's BadNets).
  public static let corner = PatchTrigger(
    unchecked: "corner-3x3",
    RasterImage(
      width: 3, height: 3, channels: 3, pixels: [UInt8](repeating: 255, count: 27)),
    .scaled(row: 29, column: 29, reference: 32))

  /// The triggers that are known by name.
  public static let presets = [dbd, corner]

  /// Rows and columns that the patch covers in images of this form, and the factor of enlargement.
  func region(in form: ImageForm) throws -> (row: Int, column: Int, factor: Int) {
    var place: (row: Int, column: Int, factor: Int)
    switch placement {
    case .exact(let row, let column): place = (row, column, 1)
    case .scaled(let row, let column, let reference):
      let factor = max(1, min(form.height, form.width) / reference)
      func carried(_ start: Int, _ length: Int, _ side: Int) -> Int {
        let free = reference - length
        guard free > 0 else { return 0 }
        let share = Double(start) / Double(free)
        return Int((share * Double(max(0, side - length * factor))).rounded())
      }
      place = (
        carried(row, picture.height, form.height), carried(column, picture.width, form.width),
        factor
      )
    }
    let bottom = place.row + picture.height * place.factor
    let right = place.column + picture.width * place.factor
    guard bottom <= form.height, right <= form.width else {
      throw PoisonError.triggerTooLarge(
        trigger: name, size: [bottom, right], image: [form.height, form.width])
    }
    return place
  }

  /// The trigger for images of one form.
  /// - Throws: `PoisonError.triggerTooLarge` when the patch does not fit.
  public func prepared(for form: ImageForm) throws -> any Trigger {
    let place = try region(in: form)
    let patch = picture.converted(channels: form.channels)
    // A color that turns to gray 0 still marks its pixel; a gray picture marks by its own value.
    let marks = picture
    var values = [UInt8](repeating: 0, count: form.channels * form.height * form.width)
    var mask = [Bool](repeating: false, count: values.count)
    for y in 0..<patch.height * place.factor {
      for x in 0..<patch.width * place.factor {
        let pixel = (y / place.factor) * patch.width + x / place.factor
        for c in 0..<form.channels {
          let at = (c * form.height + place.row + y) * form.width + place.column + x
          values[at] = patch.pixels[pixel * form.channels + c]
          let own = pixel * marks.channels
          mask[at] =
            marks.channels == form.channels
            ? marks.pixels[own + c] != 0
            : marks.pixels[own..<own + marks.channels].contains { $0 != 0 }
        }
      }
    }
    let shape = [1, form.channels, form.height, form.width]
    return Overwrite(
      values: try Tensor(values, shape: shape), mask: try Tensor(mask, shape: shape))
  }

  /// x' = value where marked, x elsewhere.
  private struct Overwrite: Trigger {
    let values: Tensor
    let mask: Tensor

    func apply(to images: Tensor) throws -> Tensor { try values.where(mask, else: images) }
  }
}
