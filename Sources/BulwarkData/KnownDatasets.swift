/// Public data sets in forms that Bulwark reads, with official addresses and published digests.
public enum KnownDatasets {
  /// One file to download.
  public struct File: Sendable, Hashable {
    /// The official address.
    public let address: String
    /// The MD5 digest that the publisher gives, 32 hexadecimal digits: tells a broken download, is
    /// no protection against a forged one.
    public let md5: String
    /// SHA-256 of the same file as recorded by several public projects, 64 hexadecimal digits.
    public let sha256: String
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
        md5: "c32a1d4ab5d03f1284b67883e8d87530",
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")
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
        md5: "03b5dce01913d631647c71ecec9e9cb8",
        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec")
    ],
    content: "50,000 + 10,000 RGB images of 32 x 32 in 100 classes",
    credit: "A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
    layout: "unpack; give the folder cifar-100-binary")

  /// MNIST in IDX form.
  public static let mnist = Entry(
    name: "MNIST", kind: .mnist,
    files: [
      (
        "train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
      ),
      (
        "train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
      ),
      (
        "t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
      ),
      (
        "t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
      ),
    ].map { name, md5, sha256 in
      File(
        address: "https://ossci-datasets.s3.amazonaws.com/mnist/" + name, md5: md5, sha256: sha256)
    },
    content: "60,000 + 10,000 gray images of 28 x 28 in 10 classes",
    credit: "Y. LeCun, C. Cortes, C. Burges: The MNIST Database of Handwritten Digits, 1998",
    layout: "put the four files into one folder (unpacking is not needed); give the folder")

  /// All of them.
  public static let all = [cifar10, cifar100, mnist]

  /// A text for a terminal: each data set with its files and MD5 digests.
  public static var description: String {
    all.map { entry in
      let files = entry.files.map { "  \($0.address)\n    MD5 \($0.md5)\n    SHA-256 \($0.sha256)" }
      return (["\(entry.name): \(entry.content); \(entry.layout)."] + files + ["  \(entry.credit)"])
        .joined(separator: "\n")
    }.joined(separator: "\n")
  }
}
