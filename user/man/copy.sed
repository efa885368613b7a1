# SPDX-License-Identifier: Apache-2.0
# What scdoc writes, so that names and paths can be copied: .TH turns hyphenation on again, and a
# line breaks at a hyphen, but not at \-. Requests and the marks of lists (\h'-04') stay.
/^\.TH /a .nh
/^[.']/b
/^\\h/b
s/\\*-/\\-/g
