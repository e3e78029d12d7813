extension [Double] {
  /// The smallest of these values that at least a share `order` of them does not exceed; there must be some.
  func quantile(_ order: Double) -> Double {
    let sorted = self.sorted()
    return sorted[Swift.max(0, Int((order * Double(sorted.count)).rounded(.up)) - 1)]
  }
}
