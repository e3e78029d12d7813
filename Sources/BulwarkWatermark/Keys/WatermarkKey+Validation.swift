import BulwarkTraining

extension WatermarkKey {
  /// Makes sure that carriers, projections and signals can be drawn: a key file may come from anybody.
  ///
  /// - Parameter path: named in the error.
  /// - Throws: `WatermarkError.badKey` for numbers that no embedding writes.
  func validate(_ path: String) throws {
    func require(_ holds: Bool, _ reason: String) throws {
      guard holds else { throw WatermarkError.badKey(path, reason: reason) }
    }
    try require(
      (2...SettingCheck.mostUnits).contains(classes), "it is for \(classes) classes")
    try require(
      shape.count == 3 && shape.allSatisfy { WatermarkKey.sides.contains($0) },
      "its images would be of \(shape)")
    try require(
      (mark.carriers != nil) == mark.scheme.hasCarriers
        && (mark.bits != nil) == (mark.scheme == .uchida)
        && (mark.signal != nil) == (mark.scheme == .coswm),
      "its mark is none of scheme \(mark.scheme.rawValue)")
    try require(
      mark.carriers?.family != .automatic, "its carriers are of the family 'automatic'")
    try require(
      mark.bits.map { WatermarkKey.isReadable($0) } ?? true,
      "its bits are in a kernel that there cannot be")
    try require(
      mark.signal.map {
        $0.frequency.isFinite && $0.frequency > 0 && (0...8192).contains($0.grid)
          && $0.served.map { $0 > 0 && $0 <= 0.5 } ?? true
      }
        ?? true, "its signal is none")
    try require(
      facts.architecture.map {
        $0.classes == classes && $0.channels == shape[0] && (1...8192).contains($0.width)
      } ?? true, "its model's network is not one for its task")
    try require(
      material?.labels.allSatisfy { (0..<classes).contains($0) } ?? true,
      "its images have labels of no class")
    do {
      try mark.carriers?.validate(classes: classes)
    } catch let error as RecipeError {
      throw WatermarkError.badKey(path, reason: error.summary)
    }
  }

  /// What a side of an image or kernel, or a number of channels, may be.
  private static let sides = 1...1 << 20
  /// Whether bits can be read at a place: fewer than a filter has weights, and no more numbers in a projection than an
  /// embedding allows.
  private static func isReadable(_ place: BitPlace) -> Bool {
    guard place.shape.count == 4, place.shape.allSatisfy({ sides.contains($0) })
    else { return false }
    // At most 2^60.
    let length = place.shape.dropFirst().reduce(1, *)
    return (1..<length).contains(place.bits) && place.bits <= BitPlace.mostNumbers / length
  }
}
