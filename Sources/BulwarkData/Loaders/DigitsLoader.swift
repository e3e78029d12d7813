import BulwarkTensor

/// The embedded handwritten digits.
///
/// Values 0...16 become `round(v * 255 / 16)`; the 8 x 8 image is then enlarged bilinearly with
/// `ImageResizer` (16 x 16 unless `imageSize` says otherwise). The split is
/// `SampleSelection.split` with a test share of 0.2: 1,437 training and 360 test images.
enum DigitsLoader {
  static let storedSide = 8
  static let defaultSide = 16

  static func load(options: DataOptions) throws -> DataBundle {
    let (images, labels) = parse()
    let side = options.imageSize ?? defaultSide
    let channels = options.channels ?? 1
    let names = (0...9).map(String.init)
    let stored = side * side * channels
    try ImageFileReader.requireMemory(images.count * stored, DataKind.digits.rawValue)
    let tensor = try Tensor.filled([images.count, channels, side, side], dtype: .uint8) { target in
      for (index, image) in images.enumerated() {
        ImageResizer.resize(image, width: side, height: side).converted(channels: channels)
          .copyPlanar(
            to: UnsafeMutableRawBufferPointer(
              rebasing: target[index * stored..<(index + 1) * stored]))
      }
    }
    let all = try ImageDataset(
      images: tensor, labels: labels, classNames: names, name: DataKind.digits.rawValue)
    return try BundleAssembly.split(
      all, kind: .digits, path: DataKind.digits.rawValue, options: options, defaultFraction: 0.2)
  }

  /// The 1,797 images (8 x 8, 0...255) and their labels.
  static func parse() -> (images: [RasterImage], labels: [Int]) {
    var images: [RasterImage] = []
    var labels: [Int] = []
    EmbeddedDigits.lines.withUTF8Buffer { text in
      let characters = text.filter { $0 != UInt8(ascii: "\n") }
      for start in stride(from: 0, to: characters.count, by: 65) {
        labels.append(Int(characters[start] - UInt8(ascii: "0")))
        let pixels = characters[start + 1..<start + 65].map { character in
          UInt8((Int(character - UInt8(ascii: "A")) * 255 + 8) / 16)
        }
        images.append(
          RasterImage(width: storedSide, height: storedSide, channels: 1, pixels: pixels))
      }
    }
    return (images, labels)
  }
}
