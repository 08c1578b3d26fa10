"""Requests of a terminal, written by hand from domain.md §1 and §4.6: settlement, uploads, session, notices."""

BATCH = """
settlement
6000030000 603100311314 0500 0020000000C18012
  11 | 000140                        | 000140                           | trace
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  48 | 0062                          | ''                               | totals: 62 digits
     | 000000093040 003              | 000000093040003                  | domestic debits: 930.40, three
     | 000000000990 001              | 000000000990001                  | domestic credits: 9.90, one
     | 0                             | 0                                | asked
     | 000000010000 001              | 000000010000001                  | foreign debits: 100.00, one
     | 000000010000 001              | 000000010000001                  | foreign credits: 100.00, one
     | 0                             | 0                                | asked
  49 | 313536                        | 156                              | renminbi
  60 | 0011 00 000001 201 0          | 00000001201                      | settlement, a 0 nibble behind
  63 | 0003 303120                   | '01 '                            | operator 01

upload of two stripe details
6000030000 603100311314 0320 0020000000C10010
  11 | 000141                        | 000141                           | trace
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  48 | 0082 02                       | 02                               | 82 digits: two details
     | 00 000128                     | 00000128                         | domestic card, trace
     | 00006200000000000005          | 00006200000000000005             | card number in twenty digits
     | 000000046050                  | 000000046050                     | 460.50
     | 01 000135                     | 01000135                         | foreign card, trace
     | 00004000000000000002          | 00004000000000000002             | card number in twenty digits
     | 000000010000                  | 000000010000                     | 100.00
  60 | 0011 00 000001 201 0          | 00000001201                      | details of the stripe

upload of a completion advice, with all of DE61
6000030000 603100311314 0320 7024048004C08018
   2 | 16 6220000000000019           | 6220000000000019                 | card number
   3 | 000000                        | 000000                           | completion
   4 | 000000046050                  | 000000046050                     | 460.50
  11 | 000130                        | 000130                           | trace of the advice
  14 | 2906                          | 2906                             | expiry
  22 | 0120                          | 012                              | keyed, no PIN
  25 | 06                            | 06                               | of a pre-authorization
  38 | 363534333231                  | 654321                           | authorization code
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0011 24 000001 201 0          | 24000001201                      | completion advice, upload
  61 | 0029 000001 000125 1122 00 00010411000 0 | 00000100012511220000010411000 | mode 00, institution 00010411000

upload of an online chip detail, totals balanced
6000030000 603100311314 0320 5020060000C08210
   2 | 18 620000000000000096         | 620000000000000096               | card number
   4 | 000000000990                  | 000000000990                     | 9.90
  11 | 000133                        | 000133                           | trace of the sale
  22 | 0720                          | 072                              | contactless, no PIN
  23 | 0000                          | 000                              | card sequence
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  55 | 0015                          | bytes:                           | chip data: 15 bytes
     | 9F26 08 0011223344556677      |                                  | cryptogram, 11
     | 9F27 01 40                    |                                  | TC, 4
  60 | 0011 00 000001 203 0          | 00000001203                      | chip detail, online, balanced

end of the upload
6000030000 603100311314 0320 0020000000C10010
  11 | 000142                        | 000142                           | trace
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  48 | 0004 0004                     | 0004                             | four details were sent
  60 | 0011 00 000001 207 0          | 00000001207                      | end, balanced
"""

SESSION = """
sign-on for single-length keys, with the device's serial
6000030000 603110FFF101 0800 0020000000C00016
  11 | 000001                        | 000001                           | trace
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000000 001 0          | 00000000001                      | sign-on, single-length
  62 | 0021                          | bytes:                           | 21 bytes
     | 53657175656E6365204E6F        |                                  | "Sequence No", 11
     | 3038                          |                                  | length: "08", 2
     | 3132333435363738              |                                  | serial: "12345678", 8
  63 | 0003 303120                   | '01 '                            | operator 01

sign-on for double-length keys
6000030000 603100311314 0800 0020000000C00012
  11 | 000002                        | 000002                           | trace
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000001 003 0          | 00000001003                      | sign-on, double-length
  63 | 0003 303120                   | '01 '                            | operator 01

sign-on for double-length keys and a track key
6000030000 603100311314 0800 0020000000C00012
  11 | 000003                        | 000003                           | trace
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000001 004 0          | 00000001004                      | sign-on, track key too
  63 | 0003 303120                   | '01 '                            | operator 01

sign-off
6000030000 603100311314 0820 0020000000C00010
  11 | 000150                        | 000150                           | trace
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000002 002 0          | 00000002002                      | sign-off

echo test
6000030000 603100311314 0820 0020000000C00010
  11 | 000151                        | 000151                           | trace
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  60 | 0011 00 000002 301 0          | 00000002301                      | echo

what came of an issuer's script
6000030000 603100311314 0620 702006000CC08219
   2 | 16 6200000000000005           | 6200000000000005                 | card number
   3 | 030000                        | 030000                           | as the original
   4 | 000000050000                  | 000000050000                     | as the original
  11 | 000152                        | 000152                           | trace
  22 | 0510                          | 051                              | chip, PIN
  23 | 0001                          | 001                              | card sequence
  37 | 413030303030303030313233      | A00000000123                     | reference of the original
  38 | 303132333435                  | 012345                           | authorization code
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  55 | 0020                          | bytes:                           | chip data: 20 bytes
     | 95 05 0080048000              |                                  | verification results, 7
     | DF31 05 2000000000            |                                  | script results, 8
     | 9F36 02 001C                  |                                  | transaction counter, 5
  60 | 0011 10 000001 951 0          | 10000001951                      | script notice
  61 | 0016 000001 000123 1122       | 0000010001231122                 | batch, trace, date of the original
  64 | 30313233 34353637             | 01234567                         | MAC
"""
