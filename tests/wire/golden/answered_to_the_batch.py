"""Answers of an acquirer, written by hand from domain.md §1, §4.6 and §5: settlement, uploads, session, notices."""

BATCH = """
settlement balanced
6000000003 603100311314 0510 003A000008C18010
  11 | 000140                        | 000140                           | trace
  12 | 230500                        | 230500                           | 23:05:00
  13 | 1122                          | 1122                             | November 22
  15 | 1123                          | 1123                             | after the cut-over
  37 | 413030303030303030313530      | A00000000150                     | reference; no DE39
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  48 | 0062                          | ''                               | totals: 62 digits
     | 000000093040 003              | 000000093040003                  | domestic debits: 930.40, three
     | 000000000990 001              | 000000000990001                  | domestic credits: 9.90, one
     | 1                             | 1                                | balanced
     | 000000010000 001              | 000000010000001                  | foreign debits: 100.00, one
     | 000000010000 001              | 000000010000001                  | foreign credits: 100.00, one
     | 1                             | 1                                | balanced
  49 | 313536                        | 156                              | renminbi
  60 | 0011 00 000001 201 0          | 00000001201                      | settlement

settlement not balanced, with the host's own totals
6000000003 603100311314 0510 003A000008C18010
  11 | 000140                        | 000140                           | trace
  12 | 230501                        | 230501                           | 23:05:01
  13 | 1122                          | 1122                             | November 22
  15 | 1123                          | 1123                             | after the cut-over
  37 | 413030303030303030313531      | A00000000151                     | reference
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  48 | 0062                          | ''                               | totals: 62 digits
     | 000000046990 002              | 000000046990002                  | the host knows 469.90, two
     | 000000000990 001              | 000000000990001                  | credits as the terminal's
     | 2                             | 2                                | not balanced
     | 000000010000 001              | 000000010000001                  | foreign debits: 100.00, one
     | 000000010000 001              | 000000010000001                  | foreign credits: 100.00, one
     | 1                             | 1                                | balanced
  49 | 313536                        | 156                              | renminbi
  60 | 0011 00 000001 201 0          | 00000001201                      | settlement

upload of details taken
6000000003 603100311314 0330 003800000AC10010
  11 | 000141                        | 000141                           | trace
  12 | 230600                        | 230600                           | 23:06:00
  13 | 1122                          | 1122                             | November 22
  37 | 413030303030303030313532      | A00000000152                     | reference
  39 | 3030                          | 00                               | taken
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  48 | 0042 01                       | 01                               | 42 digits: one detail, as it came
     | 01 000135                     | 01000135                         | foreign card, trace
     | 00004000000000000002          | 00004000000000000002             | card number in twenty digits
     | 000000010000                  | 000000010000                     | 100.00
  60 | 0011 00 000001 201 0          | 00000001201                      | details of the stripe

end of the upload taken
6000000003 603100311314 0330 003800000AC10010
  11 | 000142                        | 000142                           | trace
  12 | 230700                        | 230700                           | 23:07:00
  13 | 1122                          | 1122                             | November 22
  37 | 413030303030303030313533      | A00000000153                     | reference
  39 | 3030                          | 00                               | taken
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  48 | 0004 0004                     | 0004                             | four details
  60 | 0011 00 000001 202 0          | 00000001202                      | end, not balanced
"""

SESSION = """
sign-on answered with single-length keys
6000000003 603100311314 0810 003800010AC00014
  11 | 000001                        | 000001                           | trace
  12 | 080000                        | 080000                           | 08:00:00
  13 | 1122                          | 1122                             | November 22
  32 | 08 01041000                   | 01041000                         | acquirer
  37 | 413030303030303030303031      | A00000000001                     | reference
  39 | 3030                          | 00                               | signed on
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000001 001 0          | 00000001001                      | the batch is 1
  62 | 0024                          | bytes:                           | 24 bytes
     | 1111111111111111 AAAAAAAA     |                                  | PIN key, 8, and check value
     | 2222222222222222 BBBBBBBB     |                                  | MAC key, 8, and check value

sign-on answered with double-length keys
6000000003 603100311314 0810 003800010AC00014
  11 | 000002                        | 000002                           | trace
  12 | 080001                        | 080001                           | 08:00:01
  13 | 1122                          | 1122                             | November 22
  32 | 08 01041000                   | 01041000                         | acquirer
  37 | 413030303030303030303032      | A00000000002                     | reference
  39 | 3030                          | 00                               | signed on
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000002 003 0          | 00000002003                      | the batch is 2
  62 | 0040                          | bytes:                           | 40 bytes
     | 11111111111111113333333333333333 AAAAAAAA |                      | PIN key, 16, and check value
     | 2222222222222222 0000000000000000 BBBBBBBB |                     | MAC key, 8 and zeros, check value

sign-on answered with double-length keys and a track key, asking for chip parameters
6000000003 603105311314 0810 003800010AC00014
  11 | 000003                        | 000003                           | trace
  12 | 080002                        | 080002                           | 08:00:02
  13 | 1122                          | 1122                             | November 22
  32 | 08 01041000                   | 01041000                         | acquirer
  37 | 413030303030303030303033      | A00000000003                     | reference
  39 | 3030                          | 00                               | signed on
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000003 004 0          | 00000003004                      | the batch is 3
  62 | 0060                          | bytes:                           | 60 bytes
     | 11111111111111113333333333333333 AAAAAAAA |                      | PIN key, 16, and check value
     | 2222222222222222 0000000000000000 BBBBBBBB |                     | MAC key, 8 and zeros, check value
     | 44444444444444445555555555555555 CCCCCCCC |                      | track key, 16, and check value

sign-on refused
6000000003 603100311314 0810 0038000002C00010
  11 | 000001                        | 000001                           | trace
  12 | 080003                        | 080003                           | 08:00:03
  13 | 1122                          | 1122                             | November 22
  39 | 3937                          | 97                               | terminal not registered
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000000 003 0          | 00000000003                      | as asked

signed off
6000000003 603100311314 0830 003800000AC00010
  11 | 000150                        | 000150                           | trace
  12 | 233000                        | 233000                           | 23:30:00
  13 | 1122                          | 1122                             | November 22
  37 | 413030303030303030313630      | A00000000160                     | reference
  39 | 3030                          | 00                               | signed off
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000002 002 0          | 00000002002                      | as asked

echo answered, asking for CA keys
6000000003 603104FFF100 0830 0038000002C00010
  11 | 000151                        | 000151                           | trace
  12 | 120000                        | 120000                           | 12:00:00
  13 | 1122                          | 1122                             | November 22
  39 | 3030                          | 00                               | the line is good
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000002 301 0          | 00000002301                      | as asked

script notice taken
6000000003 603100311314 0630 303800010AC08011
   3 | 030000                        | 030000                           | as the original
   4 | 000000050000                  | 000000050000                     | as the original
  11 | 000152                        | 000152                           | trace
  12 | 213440                        | 213440                           | 21:34:40
  13 | 1122                          | 1122                             | November 22
  32 | 08 01041000                   | 01041000                         | acquirer
  37 | 413030303030303030313631      | A00000000161                     | reference
  39 | 3030                          | 00                               | taken
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0011 10 000001 951 0          | 10000001951                      | as asked
  64 | 30313233 34353637             | 01234567                         | MAC
"""
