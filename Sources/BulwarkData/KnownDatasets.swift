/// Public data sets in forms that Bulwark reads, with official addresses and published digests.
public enum KnownDatasets {
  /// One file to download.
  public struct File: Sendable, Hashable {
    /// The official address.
    public let address: String
    /// The MD5 digest that the publisher or torchvision gives, 32 hexadecimal digits. It tells a
    /// broken download; it is no protection against a forged one.
    public let md5: String
  }

  /// One data set.
  public struct Entry: Sendable, Hashable {
    /// The usual name.
    public let name: String
    /// How it is read.
    public let kind: DataKind
    /// All files needed.
    public let files: [File]
    /// How many images of what form.
    public let content: String
    /// Who made it.
    public let credit: String
    /// What to do with the files.
    public let layout: String
  }

  /// CIFAR-10, binary version.
  public static let cifar10 = Entry(
    name: "CIFAR-10", kind: .cifar10,
    files: [
      File(
        address: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        md5: "c32a1d4ab5d03f1284b67883e8d87530")
    ],
    content: "50,000 + 10,000 RGB images of 32 x 32 in 10 classes",
    credit: "A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
    layout: "unpack; give the folder cifar-10-batches-bin")

  /// CIFAR-100, binary version.
  public static let cifar100 = Entry(
    name: "CIFAR-100", kind: .cifar100,
    files: [
      File(
        address: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        md5: "03b5dce01913d631647c71ecec9e9cb8")
    ],
    content: "50,000 + 10,000 RGB images of 32 x 32 in 100 classes",
    credit: "A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
    layout: "unpack; give the folder cifar-100-binary")

  /// MNIST in IDX form.
  public static let mnist = Entry(
    name: "MNIST", kind: .mnist,
    files: [
      ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
      ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
      ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
      ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ].map { File(address: "https://ossci-datasets.s3.amazonaws.com/mnist/" + $0.0, md5: $0.1) },
    content: "60,000 + 10,000 gray images of 28 x 28 in 10 classes",
    credit: "Y. LeCun, C. Cortes, C. Burges: The MNIST Database of Handwritten Digits, 1998",
    layout: "put the four files into one folder (unpacking is not needed); give the folder")

  /// All of them.
  public static let all = [cifar10, cifar100, mnist]

  /// A text for a terminal: each data set with its files and MD5 digests.
  public static var description: String {
    all.map { entry in
      let files = entry.files.map { "  \($0.address)\n    MD5 \($0.md5)" }
      return (["\(entry.name): \(entry.content); \(entry.layout)."] + files + ["  \(entry.credit)"])
        .joined(separator: "\n")
    }.joined(separator: "\n")
  }
}
