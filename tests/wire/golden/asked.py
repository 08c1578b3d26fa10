"""Requests of a terminal, written by hand from domain.md §1 and §2: holds, completions, sales, what undoes them."""

HOLDS = """
pre-authorization by chip, with PIN
6000030000 603100311314 0100 702406C020C09A11
   2 | 16 6200000000000005           | 6200000000000005                 | card number: 16 digits
   3 | 030000                        | 030000                           | pre-authorization
   4 | 000000050000                  | 000000050000                     | 500.00
  11 | 000123                        | 000123                           | trace
  14 | 3012                          | 3012                             | expires December 2030
  22 | 0510                          | 051                              | chip, PIN; left, a 0 nibble behind
  23 | 0001                          | 001                              | card sequence; right, a 0 nibble before
  25 | 06                            | 06                               | pre-authorization
  26 | 12                            | 12                               | PIN of up to twelve digits
  35 | 32 6200000000000005D301222100000001 | 6200000000000005=301222100000001 | track 2: 32 digits
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  52 | 1122334455667788              | 0x1122334455667788               | PIN block
  53 | 2600 000000000000             | '26' '00000000000000'            | with card number, triple DES
  55 | 0102                          | bytes:                           | chip data: 102 bytes
     | 9F26 08 A1B2C3D4E5F60718      |                                  | cryptogram, 11 bytes
     | 9F27 01 80                    |                                  | ARQC, 4
     | 9F10 13 07010103A0A802010A010000000000BBCCDDEE |                 | issuer application data, 22
     | 9F37 04 01020304              |                                  | unpredictable number, 7
     | 9F36 02 001C                  |                                  | transaction counter, 5
     | 95 05 0080048000              |                                  | verification results, 7
     | 9A 03 261122                  |                                  | date, 5
     | 9C 01 03                      |                                  | transaction type, 3
     | 9F02 06 000000050000          |                                  | amount, 9
     | 5F2A 02 0156                  |                                  | currency, 5
     | 82 02 7C00                    |                                  | interchange profile, 4
     | 9F1A 02 0156                  |                                  | country, 5
     | 9F03 06 000000000000          |                                  | other amount, 9
     | 9F33 03 E0F9C8                |                                  | terminal capabilities, 6
  60 | 0013 10 000001 000 5 0 0      | 1000000100050                    | pre-authorization, batch 1, reads chip
  64 | 31323334 41424344             | 1234ABCD                         | MAC: eight characters

pre-authorization by stripe, with PIN and encrypted track
6000030000 603100311314 0100 302004C020C09811
   3 | 030000                        | 030000                           | pre-authorization
   4 | 000000050000                  | 000000050000                     | 500.00
  11 | 000124                        | 000124                           | trace
  22 | 0210                          | 021                              | stripe, PIN
  25 | 06                            | 06                               | pre-authorization
  26 | 12                            | 12                               | PIN of up to twelve digits
  35 | 32 620000000000A3F9C17B40E8D2559C01 | 620000000000A3F9C17B40E8=2559C01 | track 2: its end is ciphertext
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  52 | FFEEDDCCBBAA9988              | 0xFFEEDDCCBBAA9988               | PIN block
  53 | 2610000000000000              | 2610000000000000                 | third digit 1: track encrypted
  60 | 0013 10 000001 000 5 0 0      | 1000000100050                    | pre-authorization
  64 | 30303030 30303030             | 00000000                         | MAC

pre-authorization by telephone
6000030000 603100311314 0100 7024048000C08013
   2 | 16 6220000000000019           | 6220000000000019                 | card number
   3 | 030000                        | 030000                           | pre-authorization
   4 | 000000123456                  | 000000123456                     | 1234.56
  11 | 000125                        | 000125                           | trace
  14 | 2906                          | 2906                             | expires June 2029
  22 | 0120                          | 012                              | keyed, no PIN
  25 | 18                            | 18                               | by mail or telephone
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0013 10 000001 000 5 0 0      | 1000000100050                    | pre-authorization
  63 | 0003 303120                   | '01 '                            | operator 01 and a space
  64 | 46304531 44324333             | F0E1D2C3                         | MAC

increment by stripe
6000030000 603100311314 0100 302004C024C09819
   3 | 030000                        | 030000                           | pre-authorization
   4 | 000000020000                  | 000000020000                     | 200.00 more
  11 | 000126                        | 000126                           | trace
  22 | 0210                          | 021                              | stripe, PIN
  25 | 60                            | 60                               | increment
  26 | 06                            | 06                               | PIN of up to six digits
  35 | 27 6200000000000005D3012221000 0 | 6200000000000005=3012221000   | track 2: 27 digits, a 0 nibble behind
  38 | 303132333435                  | 012345                           | authorization code of the original
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  52 | 0102030405060708              | 0x0102030405060708               | PIN block
  53 | 2600 000000000000             | '26' '00000000000000'            | with card number, triple DES
  60 | 0013 10 000001 000 5 0 0      | 1000000100050                    | pre-authorization
  61 | 0016 000000 000000 0000       | 0000000000000000                 | sixteen zeros
  64 | 41314232 43334434             | A1B2C3D4                         | MAC

void of a pre-authorization, keyed
6000030000 603100311314 0100 7024048004C0801B
   2 | 19 6200000000000000018 0      | 6200000000000000018              | card number: 19 digits, a 0 nibble behind
   3 | 200000                        | 200000                           | void
   4 | 000000050000                  | 000000050000                     | in full
  11 | 000127                        | 000127                           | trace
  14 | 3012                          | 3012                             | expiry
  22 | 0120                          | 012                              | keyed, no PIN
  25 | 06                            | 06                               | of a pre-authorization
  38 | 303132333435                  | 012345                           | authorization code of the original
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0013 11 000001 000 5 0 0      | 1100000100050                    | void of a pre-authorization
  61 | 0016 000000 000000 1122       | 0000000000001122                 | batch and trace not known, November 22
  63 | 0003 393920                   | '99 '                            | supervisor
  64 | 31423243 33443445             | 1B2C3D4E                         | MAC

reversal of a pre-authorization that nobody answered
6000030000 603100311314 0400 7024068002C08211
   2 | 16 6200000000000005           | 6200000000000005                 | card number
   3 | 030000                        | 030000                           | as the original
   4 | 000000050000                  | 000000050000                     | as the original
  11 | 000123                        | 000123                           | trace of the original
  14 | 3012                          | 3012                             | expiry
  22 | 0510                          | 051                              | chip, PIN
  23 | 0001                          | 001                              | card sequence
  25 | 06                            | 06                               | as the original
  39 | 3938                          | 98                               | reason: no answer
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  55 | 0012                          | bytes:                           | chip data: 12 bytes
     | 95 05 0080048000              |                                  | verification results, 7
     | 9F36 02 001C                  |                                  | transaction counter, 5
  60 | 0013 10 000001 000 5 0 0      | 1000000100050                    | as the original
  64 | 39393838 37373636             | 99887766                         | MAC

reversal of a void whose answer had a wrong MAC
6000030000 603100311314 0400 7024048006C08019
   2 | 19 6200000000000000018 0      | 6200000000000000018              | card number
   3 | 200000                        | 200000                           | as the void
   4 | 000000050000                  | 000000050000                     | as the void
  11 | 000127                        | 000127                           | trace of the void
  14 | 3012                          | 3012                             | expiry
  22 | 0120                          | 012                              | keyed, no PIN
  25 | 06                            | 06                               | as the void
  38 | 303132333435                  | 012345                           | authorization code
  39 | 4130                          | A0                               | reason: wrong MAC
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0013 11 000001 000 5 0 0      | 1100000100050                    | as the void
  61 | 0016 000001 000127 1122       | 0000010001271122                 | batch and trace of the void, its date
  64 | 35353434 33333232             | 55443322                         | MAC
"""

COMPLETIONS = """
completion, keyed
6000030000 603100311314 0200 7024048004C08019
   2 | 19 6200000000000000018 0      | 6200000000000000018              | card number: 19 digits, a 0 nibble behind
   3 | 000000                        | 000000                           | completion
   4 | 000000046050                  | 000000046050                     | 460.50
  11 | 000128                        | 000128                           | trace
  14 | 3012                          | 3012                             | expiry
  22 | 0120                          | 012                              | keyed, no PIN
  25 | 06                            | 06                               | of a pre-authorization
  38 | 303132333435                  | 012345                           | authorization code of the original
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0013 20 000001 000 5 0 0      | 2000000100050                    | completion request
  61 | 0016 000001 000123 1122       | 0000010001231122                 | batch, trace, date of the original
  64 | 41314232 43334434             | A1B2C3D4                         | MAC

completion by stripe, with PIN and track 3
6000030000 603100311314 0200 302004C034C09819
   3 | 000000                        | 000000                           | completion
   4 | 000000057500                  | 000000057500                     | 575.00: 115 % of 500.00
  11 | 000129                        | 000129                           | trace
  22 | 0210                          | 021                              | stripe, PIN
  25 | 06                            | 06                               | of a pre-authorization
  26 | 12                            | 12                               | PIN of up to twelve digits
  35 | 27 6200000000000005D3012221000 0 | 6200000000000005=3012221000   | track 2: 27 digits
  36 | 0029 996200000000000005D1560000000 0 | 996200000000000005=1560000000 | track 3
  38 | 353433323120                  | 54321                            | five characters and a space
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  52 | 8877665544332211              | 0x8877665544332211               | PIN block
  53 | 2000000000000000              | 2000000000000000                 | with card number, DES
  60 | 0013 20 000001 000 2 0 0      | 2000000100020                    | completion request, reads stripe
  61 | 0016 000000 000000 1122       | 0000000000001122                 | only the date is known
  64 | 43344435 45364637             | C4D5E6F7                         | MAC

completion advice
6000030000 603100311314 0220 7024048004C0801B
   2 | 16 6220000000000019           | 6220000000000019                 | card number
   3 | 000000                        | 000000                           | completion
   4 | 000000046050                  | 000000046050                     | 460.50
  11 | 000130                        | 000130                           | trace
  14 | 2906                          | 2906                             | expiry
  22 | 0120                          | 012                              | keyed, no PIN
  25 | 06                            | 06                               | of a pre-authorization
  38 | 363534333231                  | 654321                           | authorization code of the original
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0013 24 000001 000 5 0 0      | 2400000100050                    | completion advice
  61 | 0016 000001 000125 1122       | 0000010001251122                 | batch, trace, date of the original
  63 | 0003 303220                   | '02 '                            | operator 02
  64 | 31323334 35363738             | 12345678                         | MAC

completion void by stripe
6000030000 603100311314 0200 302004802CC08019
   3 | 200000                        | 200000                           | void
   4 | 000000046050                  | 000000046050                     | in full
  11 | 000131                        | 000131                           | trace
  22 | 0220                          | 022                              | stripe, no PIN
  25 | 06                            | 06                               | of a pre-authorization's completion
  35 | 27 6200000000000005D3012221000 0 | 6200000000000005=3012221000   | track 2: 27 digits
  37 | 413030303030303030313238      | A00000000128                     | reference of the completion
  38 | 303132333435                  | 012345                           | authorization code
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0013 21 000001 000 5 0 0      | 2100000100050                    | void of a completion
  61 | 0016 000001 000128 1122       | 0000010001281122                 | batch, trace, date of the completion
  64 | 38383939 41414242             | 8899AABB                         | MAC

repeat of a completion by a terminal that keeps a chain
6000030000 603100311314 0201 7024048004C0809B
   2 | 16 6200000000000005           | 6200000000000005                 | card number
   3 | 000000                        | 000000                           | completion
   4 | 000000046050                  | 000000046050                     | 460.50
  11 | 000132                        | 000132                           | trace
  14 | 3012                          | 3012                             | expiry
  22 | 0220                          | 022                              | as first sent
  25 | 06                            | 06                               | of a pre-authorization
  38 | 303132333435                  | 012345                           | authorization code of the original
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  57 | 0031 4846317C377C303132333435363738396162636465667C412D303030313233 | HF1|7|0123456789abcdef|A-000123 | 31
  60 | 0013 20 000001 000 5 0 0      | 2000000100050                    | completion request
  61 | 0016 000001 000123 1122       | 0000010001231122                 | batch, trace, date of the original
  63 | 0003 303120                   | '01 '                            | operator 01
  64 | 41424344 45464748             | ABCDEFGH                         | MAC
"""

SALES = """
sale, contactless, no PIN
6000030000 603100311314 0200 7024068020C08211
   2 | 18 620000000000000096         | 620000000000000096               | card number: 18 digits
   3 | 000000                        | 000000                           | sale
   4 | 000000000990                  | 000000000990                     | 9.90
  11 | 000133                        | 000133                           | trace
  14 | 2803                          | 2803                             | expiry
  22 | 0720                          | 072                              | contactless, no PIN
  23 | 0000                          | 000                              | card sequence
  25 | 00                            | 00                               | normal
  35 | 33 620000000000000096D28032210000000 0 | 620000000000000096=28032210000000 | track 2: 33 digits
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  55 | 0015                          | bytes:                           | chip data: 15 bytes
     | 9F26 08 0011223344556677      |                                  | cryptogram, 11
     | 9F27 01 80                    |                                  | ARQC, 4
  60 | 0017 22 000001 000 6 0 1 0000 | 22000001000601000                | sale, reads contactless, partial approval
  64 | 30303131 32323333             | 00112233                         | MAC

void of a sale by stripe
6000030000 603100311314 0200 302004802CC08019
   3 | 200000                        | 200000                           | void
   4 | 000000000990                  | 000000000990                     | in full
  11 | 000134                        | 000134                           | trace
  22 | 0220                          | 022                              | stripe, no PIN
  25 | 00                            | 00                               | normal
  35 | 27 6210000000000128D2803221000 0 | 6210000000000128=2803221000   | track 2: 27 digits
  37 | 413030303030303030313333      | A00000000133                     | reference of the sale
  38 | 303030303031                  | 000001                           | authorization code
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0013 23 000001 000 5 0 0      | 2300000100050                    | void of a sale
  61 | 0012 000001 000133            | 000001000133                     | batch and trace of the sale
  64 | 37363534 33323130             | 76543210                         | MAC

refund, keyed, of a foreign card
6000030000 603100311314 0220 702404800CC0801B
   2 | 16 4000000000000002           | 4000000000000002                 | card number
   3 | 200000                        | 200000                           | refund
   4 | 000000010000                  | 000000010000                     | 100.00
  11 | 000135                        | 000135                           | trace
  14 | 2712                          | 2712                             | expiry
  22 | 0120                          | 012                              | keyed, no PIN
  25 | 00                            | 00                               | normal
  37 | 413030303030303030303939      | A00000000099                     | reference of the sale
  38 | 393939393939                  | 999999                           | authorization code
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  60 | 0013 25 000001 000 5 0 0      | 2500000100050                    | refund
  61 | 0016 000000 000099 1101       | 0000000000991101                 | trace and date of the sale
  63 | 0003 303120                   | '01 '                            | operator 01
  64 | 44454144 42454546             | DEADBEEF                         | MAC

balance by contactless chip, with PIN
6000030000 603100311314 0200 602406C020C09A11
   2 | 16 6200000000000005           | 6200000000000005                 | card number
   3 | 310000                        | 310000                           | balance
  11 | 000136                        | 000136                           | trace
  14 | 3012                          | 3012                             | expiry
  22 | 0710                          | 071                              | contactless, PIN
  23 | 0001                          | 001                              | card sequence
  25 | 00                            | 00                               | normal
  26 | 12                            | 12                               | PIN of up to twelve digits
  35 | 27 6200000000000005D3012221000 0 | 6200000000000005=3012221000   | track 2: 27 digits
  41 | 5430303030303031              | T0000001                         | terminal
  42 | 313034313130313730313130303031 | 104110170110001                 | merchant
  49 | 313536                        | 156                              | renminbi
  52 | A5A5A5A5A5A5A5A5              | 0xA5A5A5A5A5A5A5A5               | PIN block
  53 | 2600 000000000000             | '26' '00000000000000'            | with card number, triple DES
  55 | 0011                          | bytes:                           | chip data: 11 bytes
     | 9F26 08 8899AABBCCDDEEFF      |                                  | cryptogram
  60 | 0013 01 000001 000 6 0 0      | 0100000100060                    | balance
  64 | 31323334 35363738             | 12345678                         | MAC
"""
