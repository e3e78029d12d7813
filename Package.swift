// swift-tools-version: 6.0
import PackageDescription

/// The module ladder, top to bottom: a module may import only those above it (Docs/Architecture.md).
let package = Package(
  name: "Bulwark",
  products: [
    .library(
      name: "Bulwark",
      targets: [
        "BulwarkTensor", "BulwarkNN", "BulwarkData", "BulwarkStore", "BulwarkTraining",
        "BulwarkPoisoning", "BulwarkDefense", "BulwarkUnlearning", "BulwarkWatermark",
      ]),
    // Loaded at run time by CTorch, so that a tool that computes nothing does not pay for LibTorch.
    .library(name: "BulwarkTorchShim", type: .dynamic, targets: ["CTorchShim"]),
    .executable(name: "bulwark", targets: ["bulwark"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    .systemLibrary(name: "CLibTorch", pkgConfig: "libtorch"),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CSVM", providers: [.apt(["libsvm-dev"])]),
    .target(name: "CTorch", linkerSettings: [.linkedLibrary("dl")]),
    .target(
      name: "CTorchShim", dependencies: ["CLibTorch"],
      cxxSettings: [.headerSearchPath("../CTorch/include")]),
    .target(name: "BulwarkTensor", dependencies: ["CTorch"]),
    .target(name: "BulwarkNN", dependencies: ["BulwarkTensor"]),
    .target(name: "BulwarkStore", dependencies: ["BulwarkTensor", "CHDF5", "CCrypto"]),
    .target(
      name: "BulwarkData",
      dependencies: ["BulwarkTensor", "BulwarkStore", "CTurboJPEG", "CPNG"]),
    .target(
      name: "BulwarkTraining",
      dependencies: [
        "BulwarkNN", "BulwarkData", "BulwarkStore", .product(name: "Yams", package: "Yams"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(name: "BulwarkPoisoning", dependencies: ["BulwarkTraining"]),
    .target(name: "BulwarkDefense", dependencies: ["BulwarkTraining"]),
    .target(name: "BulwarkUnlearning", dependencies: ["BulwarkTraining", "CSVM"]),
    .target(name: "BulwarkWatermark", dependencies: ["BulwarkTraining"]),
    .executableTarget(
      name: "bulwark",
      dependencies: [
        "BulwarkPoisoning", "BulwarkDefense", "BulwarkUnlearning", "BulwarkWatermark",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .testTarget(name: "BulwarkTensorTests", dependencies: ["BulwarkTensor"]),
    .testTarget(
      name: "BulwarkNNTests", dependencies: ["BulwarkNN", "BulwarkStore"],
      resources: [.copy("Fixtures")]),
    .testTarget(name: "BulwarkDataTests", dependencies: ["BulwarkData"], exclude: ["Fixtures"]),
    .testTarget(name: "BulwarkStoreTests", dependencies: ["BulwarkStore", "CHDF5"]),
    .testTarget(
      name: "BulwarkTrainingTests",
      dependencies: ["BulwarkTraining", .product(name: "Logging", package: "swift-log")]),
    .testTarget(name: "BulwarkPoisoningTests", dependencies: ["BulwarkPoisoning"]),
    .testTarget(name: "BulwarkDefenseTests", dependencies: ["BulwarkDefense", "BulwarkPoisoning"]),
    .testTarget(
      name: "BulwarkUnlearningTests", dependencies: ["BulwarkUnlearning", "BulwarkPoisoning"],
      resources: [.copy("Fixtures")]),
    .testTarget(name: "BulwarkWatermarkTests", dependencies: ["BulwarkWatermark"]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "bulwark", "BulwarkData", "BulwarkNN", "BulwarkStore", "BulwarkTraining",
        "BulwarkWatermark",
      ],
      exclude: ["Fixtures"]),
    .executableTarget(
      name: "bulwark-bench", dependencies: ["BulwarkUnlearning"],
      path: "Benchmarks/bulwark-bench"),
  ],
  cxxLanguageStandard: .cxx20
)

/// `Scripts/test-release` tests the shim and the numbers alone and need not wait for the tool and its tests to be optimized.
if Context.environment["BULWARK_BUILD"] == "numbers" {
  let above = ["BulwarkDefense", "BulwarkUnlearning", "BulwarkWatermark", "bulwark", "CommandLine"]
  package.targets.removeAll { target in above.contains { target.name.hasPrefix($0) } }
  package.products = package.products.filter { $0.name == "BulwarkTorchShim" }
}
