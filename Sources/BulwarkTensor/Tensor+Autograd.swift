import CTorch

extension Tensor {
  /// Whether gradients reach this tensor.
  public var requiresGradient: Bool {
    var value: Int32 = 0
    guard (try? Tensor.perform { $0.requires_grad(handle, &value) }) != nil else { return false }
    return value != 0
  }

  /// Turns gradients for this leaf on or off.
  public func setRequiresGradient(_ value: Bool) throws {
    try Tensor.perform { $0.set_requires_grad(handle, value ? 1 : 0) }
  }

  /// The gradient collected so far, nil when there is none.
  public func gradient() throws -> Tensor? {
    var out: bw_tensor?
    try Tensor.perform { $0.grad(handle, &out) }
    return out.map { Tensor(owning: $0) }
  }

  /// Drops the collected gradient: it is undefined afterwards, not zero.
  public func clearGradient() throws { try Tensor.perform { $0.clear_grad(handle) } }

  /// Adds d self / d leaf to the gradient of every leaf; self has one element.
  public func backward() throws { try Tensor.perform { $0.backward(handle) } }

  /// d self / d input for each input, without touching collected gradients; self has one element.
  public func gradients(of inputs: [Tensor]) throws -> [Tensor] {
    var out = [bw_tensor?](repeating: nil, count: inputs.count)
    let handles = inputs.map(\.handle)
    try withExtendedLifetime(inputs) {
      try Tensor.perform { $0.gradients(handle, handles, Int32(handles.count), &out) }
    }
    return out.compactMap { $0.map { Tensor(owning: $0) } }
  }

  /// Overwrites the elements with those of `source` (same shape; type and device are converted).
  public func copy(from source: Tensor) throws {
    try Tensor.perform { $0.copy_into(handle, source.handle) }
  }

  /// Overwrites every element with `value`.
  public func fill(_ value: Double) throws { try Tensor.perform { $0.fill(handle, value) } }

  /// Moves every element towards `end` by the share `weight`.
  public func lerp(towards end: Tensor, weight: Double) throws {
    try Tensor.perform { $0.lerp_into(handle, end.handle, weight) }
  }

  /// Changes the layout in memory in place, keeping handles and optimizer references valid.
  public func setChannelsLast() throws {
    try Tensor.perform { $0.set_layout(handle, BW_CHANNELS_LAST) }
  }
}

/// Runs `body` without recording for gradients.
public func withoutGradients<Result>(_ body: () throws -> Result) throws -> Result {
  let runtime = try Runtime.shared()
  var previous: Int32 = 0
  try runtime.check(runtime.api.pointee.set_grad_mode(0, &previous))
  defer {
    var ignored: Int32 = 0
    _ = runtime.api.pointee.set_grad_mode(previous, &ignored)
  }
  return try body()
}

/// Runs `body` with recording for gradients, also inside `withoutGradients`.
public func withGradients<Result>(_ body: () throws -> Result) throws -> Result {
  let runtime = try Runtime.shared()
  var previous: Int32 = 0
  try runtime.check(runtime.api.pointee.set_grad_mode(1, &previous))
  defer {
    var ignored: Int32 = 0
    _ = runtime.api.pointee.set_grad_mode(previous, &ignored)
  }
  return try body()
}

/// Runs `body` with LibTorch's autocast to bfloat16 on `device` when `enabled`, and without it otherwise,
/// whatever is around it. Without it no cast of a weight is remembered either.
public func withAutocast<Result>(_ enabled: Bool, on device: Device, _ body: () throws -> Result)
  throws -> Result
{
  let runtime = try Runtime.shared()
  let isCUDA: Int32 = device == .cpu ? 0 : 1
  var previous: Int32 = 0
  try runtime.check(runtime.api.pointee.set_autocast(isCUDA, enabled ? 1 : 0, &previous))
  defer {
    var ignored: Int32 = 0
    _ = runtime.api.pointee.set_autocast(isCUDA, previous, &ignored)
  }
  return try body()
}
