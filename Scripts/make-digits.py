#!/usr/bin/env python3
"""Writes Sources/BulwarkData/Digits/EmbeddedDigits.swift from the copy that scikit-learn ships.

The data: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine
Learning Repository (archive.ics.uci.edu), CC BY 4.0; its 1,797 test images of 8 x 8 values 0...16.

An image is 65 characters: the label's digit, then 64 times 'A' + value, row by row. Ten images a line.

    python3 Scripts/make-digits.py            # needs scikit-learn
"""
import pathlib

from sklearn.datasets import load_digits

PER_LINE = 10
HEADER = '''// swift-format-ignore-file
// Made by Scripts/make-digits.py; do not edit.
//
// "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning
// Repository, CC BY 4.0: the 1,797 test images.

/// The embedded digits as text: 65 characters an image, the label, then 64 values 0...16 as "A"..."Q".
enum EmbeddedDigits {
  static let lines: StaticString = """
'''

digits = load_digits()
assert digits.images.shape == (1797, 8, 8) and digits.images.min() >= 0 and digits.images.max() == 16
texts = [
    str(label) + "".join(chr(ord("A") + int(value)) for value in image.reshape(-1))
    for image, label in zip(digits.images, digits.target)
]
lines = ["    " + "".join(texts[i:i + PER_LINE]) for i in range(0, len(texts), PER_LINE)]
target = pathlib.Path(__file__).resolve().parent.parent / "Sources/BulwarkData/Digits/EmbeddedDigits.swift"
target.write_text(HEADER + "\n".join(lines) + '\n    """\n}\n')
print(f"{target}: {len(texts)} images, {target.stat().st_size} bytes")
