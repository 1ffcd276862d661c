package layertar

import (
	"encoding/binary"
	"hash"
	"hash/crc64"
)

// NewCRC returns the checksum that tar-split keeps for a file's content:
// CRC-64 of ISO 3309, as of hash/crc64 with its table ISO and Sum in big
// endian. It is several times faster than that, because it makes use of the
// polynomial: x^64 + x^4 + x^3 + x + 1 has so few terms that a multiplication
// is a few shifts, and its powers by squaring have as few.
func NewCRC() hash.Hash64 { return new(crc) }

// crc is the sum so far. As everywhere with this checksum the coefficient of
// x^0 is bit 63, so that shifting right multiplies.
type crc uint64

const crcLanes = 4

func (c *crc) Write(p []byte) (int, error) {
	n, v := len(p), ^uint64(*c)
	if len(p) >= 2*8*crcLanes {
		v, p = wide(v, p)
	}
	for ; len(p) >= 8; p = p[8:] {
		v = times64(v ^ binary.LittleEndian.Uint64(p))
	}
	if len(p) > 0 {
		for i, b := range p {
			v ^= uint64(b) << (8 * i)
		}
		// What leaves the word is shorter than a word, by more than 4 bits.
		v = v>>(8*len(p)) ^ over(v<<(64-8*len(p)))
	}
	*c = crc(^v)
	return n, nil
}

// wide takes in all whole blocks of p, each word of a block by itself, so
// that the processor can work at all of them at once.
func wide(v uint64, p []byte) (sum uint64, rest []byte) {
	le := binary.LittleEndian
	a, b, c, d := v^le.Uint64(p), le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[24:])
	for p = p[8*crcLanes:]; len(p) >= 8*crcLanes; p = p[8*crcLanes:] {
		a = times256(a) ^ le.Uint64(p)
		b = times256(b) ^ le.Uint64(p[8:])
		c = times256(c) ^ le.Uint64(p[16:])
		d = times256(d) ^ le.Uint64(p[24:])
	}
	return times64(times64(times64(times64(a)^b)^c) ^ d), p
}

// over multiplies by x^64, which is x^4 + x^3 + x + 1, what has no
// coefficient of x^60 or above.
func over(w uint64) uint64 { return w ^ w>>1 ^ w>>3 ^ w>>4 }

// times64 multiplies by x^64.
func times64(v uint64) uint64 { return over(v ^ v<<63 ^ v<<61 ^ v<<60) }

// times256 multiplies by x^256, which is x^16 + x^12 + x^4 + 1.
func times256(v uint64) uint64 {
	return v ^ v>>4 ^ v>>12 ^ v>>16 ^ over(v<<60^v<<52^v<<48)
}

// The rest of hash.Hash64.

func (c *crc) Sum64() uint64       { return uint64(*c) }
func (c *crc) Sum(b []byte) []byte { return binary.BigEndian.AppendUint64(b, uint64(*c)) }
func (c *crc) Reset()              { *c = 0 }
func (c *crc) Size() int           { return crc64.Size }
func (c *crc) BlockSize() int      { return 1 }
