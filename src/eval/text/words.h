// Word lists of the suites' facts: names, towns, firms, things, code parts. Disjoint from the words
// of the prose around them (prose.cpp), so that filler never states or contradicts a fact.
#pragma once

#include "eval/text/draw.h"

namespace pith::eval::words {

Words colors();        // code parts, capitals in codes
Words animals();       // code parts
Words sites();         // what has an access code: "boathouse"
Words first_female();  // given names
Words first_male();
Words surnames();
Words cities();
Words firms();  // "Brightwell Mills"
Words roles();
Words creatures();  // pets
Words pet_names();
Words things();  // countable, plural with -s
Words instruments();
Words universities();
Words majors();
Words awards();
Words hobbies();
Words teams();
Words events();  // "the Lantern Regatta"
Words months();
Words adjectives();  // for word keys: "brisk-anchor"
Words nouns();
Words common();  // 400 and more short, everyday words, for counted lists

}  // namespace pith::eval::words
