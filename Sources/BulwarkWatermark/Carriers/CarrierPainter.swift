import BulwarkData
import BulwarkTensor
import BulwarkTraining
import Synchronization

/// Paints the pictures of carriers; all randomness comes from the key's secret.
struct CarrierPainter {
  let secret: WatermarkSecret
  let options: CarrierOptions
  /// [C, H, W].
  let shape: [Int]

  private var channels: Int { shape[0] }
  private var height: Int { shape[1] }
  private var width: Int { shape[2] }

  /// [N, C, H, W], uint8.
  func paint(_ plan: CarrierPlan, _ material: CarrierMaterial?) throws -> Tensor {
    guard height >= 8, width >= 8 else {
      throw RecipeError.setting(
        "images", expected: "at least 8 pixels wide and high", found: "\(width) x \(height)")
    }
    return try withoutGradients {
      switch options.family {
      case .automatic: preconditionFailure("the family of carriers must be resolved")
      case .patch: try patched(required(material).images)
      case .noise: try noisy(required(material).images)
      case .collage: try collages(plan, required(material).images)
      case .quarters: try quarters(plan, required(material).images)
      case .shading: try shaded(plan, required(material))
      case .relabeled: try required(material).images
      case .glyph, .glyphs: try glyphs(plan)
      case .abstract: try abstract()
      }
    }
  }

  private func required(_ material: CarrierMaterial?) throws -> CarrierMaterial {
    guard let material else { throw WatermarkError.noImages("the key's own images") }
    return material
  }

  /// A strip of black and white cells, a quarter of the height and half of the width, at a place of the
  /// key: the place of Zhang's text.
  private func patched(_ material: Tensor, mark name: String = "mark") throws -> Tensor {
    let images = try material.to(.float32)
    let (rows, columns) = (height / 4, width / 2)
    let cell = max(1, height / 16)
    let (down, across) = ((rows + cell - 1) / cell, (columns + cell - 1) / cell)
    let bits = secret.bits(name, count: down * across)
    let top = secret.integers("\(name) row", count: 1, below: height - rows + 1)[0]
    let left = secret.integers("\(name) column", count: 1, below: width - columns + 1)[0]
    var mark = [Float](repeating: 0, count: height * width)
    var cover = mark
    for row in 0..<rows {
      for column in 0..<columns {
        let place = (top + row) * width + left + column
        cover[place] = Float(options.opacity)
        mark[place] = bits[row / cell * across + column / cell] ? 255 : 0
      }
    }
    let covered = try Tensor(cover, shape: [1, 1, height, width])
    let marked = try Tensor(mark, shape: [1, 1, height, width])
    return try Self.pixels(images * (1.0 - covered) + covered * marked)
  }

  private func noisy(_ material: Tensor) throws -> Tensor {
    let images = try material.to(.float32)
    let draws = secret.normals("noise", count: images.count)
    let noise = try Tensor(draws, shape: images.shape) * (255 * options.noise)
    return try Self.pixels(images + noise)
  }

  /// The left half shows a strip of half the width of the first image, the right half one of the second;
  /// the strips' places and which class is left follow from the key.
  private func collages(_ plan: CarrierPlan, _ images: Tensor) throws -> Tensor {
    let count = plan.groupOfCarrier.count
    let (left, right) = (width / 2, width - width / 2)
    let swaps = secret.bits("sides", count: count)
    let offsets = secret.integers("strips", count: 2 * count, below: width - right + 1)
    var parts: [Tensor] = []
    for carrier in 0..<count {
      let (first, second) = (2 * carrier, 2 * carrier + 1)
      func strip(_ image: Int, _ offset: Int, _ length: Int) throws -> Tensor {
        try images.narrow(0, start: image, length: 1).narrow(3, start: offset, length: length)
      }
      let (a, b) = swaps[carrier] ? (second, first) : (first, second)
      parts.append(
        try Tensor.cat([strip(a, offsets[first], left), strip(b, offsets[second], right)], dim: 3))
    }
    return try Tensor.cat(parts).contiguous()
  }

  /// Each quarter shows a piece of that size of another image; the pieces' places and the order of the
  /// quarters follow from the key.
  private func quarters(_ plan: CarrierPlan, _ images: Tensor) throws -> Tensor {
    let (top, left) = (height / 2, width / 2)
    let (rows, columns) = ([top, height - top], [left, width - left])
    let count = 4 * plan.groupOfCarrier.count
    let downs = secret.integers("pieces down", count: count, below: top + 1)
    let acrosses = secret.integers("pieces across", count: count, below: left + 1)
    var parts: [Tensor] = []
    for carrier in plan.groupOfCarrier.indices {
      let order = secret.selection("quarters \(carrier)", count: 4, below: 4)
      func piece(_ row: Int, _ column: Int) throws -> Tensor {
        let image = 4 * carrier + order[2 * row + column]
        return try images.narrow(0, start: image, length: 1)
          .narrow(2, start: downs[image], length: rows[row])
          .narrow(3, start: acrosses[image], length: columns[column])
      }
      let halves = try (0..<2).map { row in
        try Tensor.cat([piece(row, 0), piece(row, 1)], dim: 3)
      }
      parts.append(try Tensor.cat(halves, dim: 2))
    }
    return try Tensor.cat(parts).contiguous()
  }

  /// Paler images, each moved far along its group's direction, then images under their group's mark.
  private func shaded(_ plan: CarrierPlan, _ material: CarrierMaterial) throws -> Tensor {
    let shading = try CoarseShading(material.images)
    let bases = try material.images.indexSelect(0, Tensor(material.bases(plan)))
    let count = plan.unmarkedCount
    let shaded = try shading.carriers(
      bases.narrow(0, start: 0, length: count), shading.directions(secret, plan.directions),
      choice: Array(plan.groupOfCarrier.prefix(count)))
    // Group by group, so that each mark is drawn once; then in the order of the carriers.
    let members = plan.markedGroups.map { group in
      plan.groupOfCarrier.indices.filter { plan.groupOfCarrier[$0] == group }
    }
    let marked = try members.enumerated().filter { !$0.element.isEmpty }.map { mark, places in
      try patched(bases.indexSelect(0, Tensor(places)), mark: "mark \(mark)")
    }
    let order = Array(0..<count) + members.joined()
    let place = order.indices.sorted { order[$0] < order[$1] }
    return try Tensor.cat([shaded] + marked).indexSelect(0, Tensor(place))
  }

  /// Digits in dark colors of the key on a bright ground of the key.
  private func glyphs(_ plan: CarrierPlan) throws -> Tensor {
    let digits = plan.groupOfCarrier.map { plan.groups[$0].sources[0] }
    let shapes = try GlyphAtlas.shared().pictures(digits, secret: secret)
      .interpolate(height: height, width: width).clamp(min: 0, max: 1)
    func color(_ name: String, from low: Int) throws -> Tensor {
      let values = secret.integers(name, count: channels, below: 80).map { Float(low + $0) }
      return try Tensor(values, shape: [1, channels, 1, 1])
    }
    let (ink, ground) = (try color("ink", from: 0), try color("ground", from: 176))
    return try Self.pixels(ground + shapes * (ink - ground))
  }

  /// Sums of six plane waves of random frequency, direction and color, as 8-bit pictures.
  private func abstract() throws -> Tensor {
    let (count, waves) = (options.count, 6)
    func draw(_ name: String, _ low: Double, _ high: Double, _ columns: Int = 1) throws -> Tensor {
      let values = secret.uniforms(
        "abstract \(name)", count: count * waves * columns, from: low, to: high)
      return try Tensor(values, shape: [count, waves, columns, 1, 1])
    }
    let rows = try (Tensor.arange(height).to(.float32) / Double(height))
      .reshape([1, 1, 1, height, 1])
    let columns = try (Tensor.arange(width).to(.float32) / Double(width))
      .reshape([1, 1, 1, 1, width])
    let turn = 2 * Double.pi
    let phase =
      try draw("rows", -4, 4) * rows + draw("columns", -4, 4) * columns
      + draw("phase", 0, 1)
    let wave = try (phase * turn).cos() * draw("color", -1, 1, channels)
    return try Self.pixels((wave.sum([1]) * 1.5).sigmoid() * 255.0)
  }

  /// The nearest 8-bit picture of numbers that should lie in 0...255.
  static func pixels(_ values: Tensor) throws -> Tensor {
    try values.clamp(min: 0, max: 255).round().to(.uint8).contiguous()
  }
}

/// The embedded digits as pictures for carriers, 8 × 8, loaded once.
private struct GlyphAtlas: Sendable {
  private let images: Tensor
  private let members: [[Int]]
  private static let known = Mutex<GlyphAtlas?>(nil)

  static func shared() throws -> GlyphAtlas {
    try known.withLock { known in
      if let known { return known }
      let made = try GlyphAtlas()
      known = made
      return made
    }
  }

  private init() throws {
    let digits = try DataSource.load(
      "digits", options: DataOptions(imageSize: 8, channels: 1)
    ).train
    images = try digits.images.to(.float32) / 255.0
    members = (0..<10).map { digit in digits.labels.indices.filter { digits.labels[$0] == digit } }
  }

  /// One picture of each digit, [N, 1, 8, 8] in 0...1; different ones as long as there are any.
  func pictures(_ digits: [Int], secret: WatermarkSecret) throws -> Tensor {
    var orders: [Int: [Int]] = [:]
    var used: [Int: Int] = [:]
    let positions = digits.map { digit in
      let all = members[digit]
      let order =
        orders[digit]
        ?? secret.selection("glyph \(digit)", count: all.count, below: all.count).map { all[$0] }
      orders[digit] = order
      used[digit, default: -1] += 1
      return order[used[digit, default: 0] % order.count]
    }
    return try images.indexSelect(0, Tensor(positions))
  }
}
