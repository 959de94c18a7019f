#include "eval/text/words.h"

namespace pith::eval::words {
namespace {

using View = std::string_view;

// Tables, as many words to a line as fit.
// clang-format off
constexpr View kColors[] = {
    "amber", "azure", "beige", "bronze", "cobalt", "copper", "coral", "cream", "crimson", "ebony",
    "emerald", "golden", "indigo", "ivory", "jade", "lilac", "maroon", "mauve", "olive", "orange",
    "pearl", "purple", "ruby", "russet", "scarlet", "silver", "teal", "umber", "violet", "white",
};

constexpr View kAnimals[] = {
    "badger", "beaver", "bison", "camel", "condor", "coyote", "crane", "dingo", "dolphin", "eagle",
    "falcon", "ferret", "fox", "gecko", "gibbon", "hare", "hawk", "heron", "hornet", "hyena",
    "ibex", "iguana", "jackal", "jaguar", "koala", "lemur", "leopard", "lizard", "llama", "lynx",
    "marlin", "marmot", "moose", "ocelot", "orca", "osprey", "otter", "panda", "puffin", "python",
    "rabbit", "raven", "salmon", "seal", "shark", "stork", "swan", "tiger", "toucan", "turtle",
    "viper", "walrus", "weasel", "wombat",
};

constexpr View kSites[] = {
    "boathouse", "greenhouse", "observatory", "wine cellar", "map room", "ice house", "clock tower",
    "powder store", "seed vault", "dye works", "signal box", "print room", "pump house",
    "music room", "north gate", "bell tower", "record office", "tool shed", "grain store",
    "herb garden", "reading room", "sail loft", "fur store", "coal cellar", "lighthouse",
    "rope walk", "tannery", "chart room", "gun room", "cheese cave", "weather station",
    "salt pan hut", "stable yard", "fish market", "customs shed", "glass studio", "paper mill",
    "orchard gate", "water tower", "archive", "crypt", "dairy", "forge", "laundry", "armoury",
    "bindery", "chapel", "cistern", "dovecote", "freight lift", "game larder", "hangar", "kennels",
    "lumber room", "mint", "nursery", "pantry", "quarry office", "still room", "tram depot",
};

constexpr View kFemale[] = {
    "Ines", "Mirela", "Agathe", "Tamsin", "Odile", "Freya", "Noor", "Beatrix", "Salome", "Wanda",
    "Petra", "Imogen", "Yara", "Lucinda", "Dagny", "Ottilie", "Rhoda", "Zelda", "Marit", "Celeste",
    "Hedda", "Ariadne", "Isolde", "Thora", "Vesna", "Clio", "Jacinta", "Sunniva", "Perpetua",
    "Leocadia", "Greta", "Solveig",
};

constexpr View kMale[] = {
    "Anselm", "Bartolo", "Caspar", "Dmitri", "Emeric", "Florian", "Gideon", "Horatio", "Isidor",
    "Jasper", "Kelvin", "Leopold", "Magnus", "Nestor", "Osric", "Percival", "Quentin", "Rufus",
    "Silas", "Tobias", "Ulric", "Valentin", "Wendell", "Xavier", "Yannick", "Zoltan", "Ambrose",
    "Benedikt", "Corwin", "Desmond", "Evander", "Fergus",
};

constexpr View kSurnames[] = {
    "Calder", "Brandt", "Okafor", "Lindqvist", "Moreau", "Tanaka", "Haverford", "Petrov", "Quispe",
    "Rasmussen", "Sorrel", "Thackeray", "Underhill", "Vasquez", "Whitlock", "Yarrow", "Zeller",
    "Achterberg", "Bellweather", "Cardew", "Delacroix", "Eastman", "Farrow", "Goldsmid", "Hollis",
    "Iversen", "Jellicoe", "Kettering", "Lockhart", "Marchetti", "Norwood", "Ormsby", "Pemberton",
    "Quill", "Redfern", "Sandoval", "Tregarth", "Ulverston", "Varga", "Wexford", "Abernathy",
    "Birtwhistle", "Castellan", "Drummond", "Esterhazy", "Fairbairn", "Grimsby", "Hawtrey",
    "Ingersoll", "Juric", "Kirkwall", "Lavigne", "Merrick", "Nakagawa", "Oldcastle", "Pilgrim",
    "Rosenthal", "Stavros", "Tennant", "Umbridge", "Voss", "Windham", "Yoxall", "Zabriskie",
};

constexpr View kCities[] = {
    "Elmford", "Kirrowby", "Dunmarsh", "Velinsk", "Port Amery", "Castelrosso", "Harrowgate",
    "Ostby", "Lindenau", "Marrakose", "Tarnwick", "Belcombe", "Sundvall", "Grauheim", "Pellworth",
    "Quarrytown", "Rookhaven", "Stellmar", "Thornabee", "Umberleigh", "Vasterholm", "Whitcombe",
    "Yarmstead", "Zornfeld", "Ashgrove", "Brackwater", "Corvinna", "Dalrymouth", "Eskilda",
    "Fennimore", "Glanmore", "Hollowbridge", "Ivelford", "Jorvinge", "Kestelby", "Lomond Cross",
    "Mirefleet", "Norrington", "Oakhampton Vale", "Pryden", "Querforth", "Ravensey", "Saltmarket",
    "Tivermouth", "Ulmstadt", "Verrano", "Wolfsend", "Yewbarrow",
};

constexpr View kFirms[] = {
    "Brightwell Mills", "Tarn and Vole", "Copperline Freight", "Halloway Optics", "Nordlicht Press",
    "Sablehouse", "Quayside Chandlers", "Pemmican Foods", "Ostrich Telegraph", "Lumen Glassworks",
    "Greyfriar Bank", "Ironmere Foundry", "Juniper Dairies", "Kestrel Airways", "Larkrise Seeds",
    "Meridian Maps", "Novak Bearings", "Orchid Textiles", "Plover Insurance", "Rivet and Sons",
    "Stonecrop Paints", "Thistle Brewing", "Undine Shipping", "Vantage Clocks", "Wren Publishing",
    "Yellowhammer Tools", "Zephyr Ceramics", "Alder Pharmacy", "Basalt Quarries", "Cinder Rail",
    "Dovetail Joinery", "Ermine Tailors", "Flintlock Security", "Gannet Fisheries",
    "Harbourlight Radio", "Ibis Papers", "Jackdaw Antiques", "Keystone Bridges", "Lodestar Surveys",
    "Magpie Salvage",
};

constexpr View kRoles[] = {
    "cartographer", "violin maker", "geologist", "pastry chef", "locksmith", "botanist",
    "translator", "pilot", "veterinarian", "bookbinder", "astronomer", "stage designer",
    "bee keeper", "glass blower", "surgeon", "choir master", "engraver", "ship's carpenter",
    "puppeteer", "court reporter", "perfumer", "fencing coach", "archivist", "radio operator",
    "lens grinder", "chess teacher", "tax inspector", "diver", "meteorologist", "shoemaker",
    "epidemiologist", "portrait painter",
};

constexpr View kCreatures[] = {
    "parrot", "tortoise", "hedgehog", "greyhound", "canary", "hamster", "donkey", "spaniel",
    "axolotl", "goose", "chinchilla", "poodle", "gerbil", "macaw", "terrier", "goldfish", "pony",
    "beagle", "cockatoo", "tarantula", "salamander", "dachshund", "peacock", "mastiff",
};

constexpr View kPetNames[] = {
    "Biscuit", "Nutmeg", "Pickle", "Rumble", "Toffee", "Waffles", "Ziggy", "Bramble", "Clover",
    "Domino", "Figaro", "Gizmo", "Hopscotch", "Inky", "Jigsaw", "Kipper", "Lollipop", "Mustard",
    "Noodle", "Oatmeal", "Pogo", "Quaver", "Radish", "Sprocket", "Tinsel", "Umbra", "Velcro",
    "Whistle", "Yoyo", "Zucchini",
};

constexpr View kThings[] = {
    "lantern", "typewriter", "postcard", "astrolabe", "teapot", "umbrella", "compass", "kite",
    "microscope", "snow globe", "walking stick", "music box", "telescope", "chess set", "thimble",
    "padlock", "fountain pen", "pocket watch", "carpet", "marionette", "sextant", "gramophone",
    "accordion case", "medal", "stamp album", "tapestry", "hourglass", "paperweight", "harpoon",
    "weather vane",
};

constexpr View kInstruments[] = {
    "oboe", "cello", "harp", "trombone", "lute", "bassoon", "zither", "flute", "clarinet", "banjo",
    "dulcimer", "viola", "mandolin", "tuba", "spinet", "cornet",
};

constexpr View kUniversities[] = {
    "Saint Orrin College", "the University of Halm", "Larchmont Institute",
    "the Polytechnic of Vey", "Queen Maud University", "Corbel College", "the Academy of Trevane",
    "Northgate University", "Bishop Aldous College", "the University of Sorn",
    "Pallas Technical College", "Meredith Hall", "the Institute of Karst", "Ambleton University",
    "Dexter Brook College", "the Conservatory of Lys",
};

constexpr View kMajors[] = {
    "hydrology", "comparative law", "mineralogy", "theology", "acoustics", "forestry",
    "linguistics", "metallurgy", "art history", "statistics", "entomology", "naval architecture",
    "economics", "pharmacology", "ceramics", "mathematics",
};

constexpr View kAwards[] = {
    "the Halberd Prize", "the Silver Quill", "the Brannock Medal", "the Golden Trowel",
    "the Ferris Ribbon", "the Tidewater Cup", "the Ashworth Award", "the Linnet Prize",
    "the Cobb Fellowship", "the Prism Award", "the Marlowe Medal", "the Sextant Prize",
    "the Orrery Award", "the Plumline Medal", "the Wicket Trophy", "the Keel Prize",
};

constexpr View kHobbies[] = {
    "falconry", "topiary", "rock climbing", "calligraphy", "fly fishing", "ballroom dancing",
    "stargazing", "wood carving", "ice skating", "origami", "cave diving", "weaving", "archery",
    "mushroom hunting", "juggling", "kite flying",
};

constexpr View kTeams[] = {
    "the Granite Owls", "the Delta Rowers", "the Iron Herons", "the Vale Strikers",
    "the Copper Foxes", "the Marsh Rangers", "the Tidal Kings", "the Sable Wolves",
    "the Hilltop Eleven", "the Quay Giants", "the Ember Athletic", "the Moor Lions",
    "the Pine Comets", "the Basin Royals", "the Slate Bulls", "the Fjord Sharks",
};

constexpr View kEvents[] = {
    "the Lantern Regatta", "the Winter Masque", "the Salt Fair", "the Clockmakers' Ball",
    "the Orchard Parade", "the Great Stone Auction", "the Harbour Swim", "the Night of Kites",
    "the Ploughing Match", "the Bellringers' Supper", "the Comet Watch", "the Glass Exhibition",
    "the Ferry Centenary", "the Poets' Picnic", "the Mountain Relay", "the Botanical Congress",
    "the Flood Benefit Concert", "the Cheese Rolling", "the Lighthouse Jubilee",
    "the Chess Olympiad", "the Apple Wassail", "the Observatory Gala", "the Barge Procession",
    "the Paper Boat Derby",
};

constexpr View kMonths[] = {
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
};

constexpr View kAdjectives[] = {
    "brisk", "calm", "clever", "crisp", "dapper", "eager", "fancy", "fluent", "gentle", "glossy",
    "hasty", "hollow", "humble", "jolly", "keen", "lively", "lofty", "mellow", "nimble", "noble",
    "plain", "polite", "proud", "quaint", "rapid", "rustic", "sandy", "shiny", "sleepy", "solid",
    "spare", "steady", "stormy", "sturdy", "subtle", "sunny", "swift", "tender", "tidy", "timid",
    "tranquil", "trusty", "upbeat", "vivid", "wary", "windy", "witty", "zesty", "arctic", "bashful",
    "cosmic", "dusty", "frosty", "grumpy", "honest", "icy", "lucky", "misty", "quirky", "roaming",
    "sincere", "thrifty", "woven", "young",
};

constexpr View kNouns[] = {
    "anchor", "basket", "beacon", "bridge", "bucket", "button", "cabin", "candle", "canyon",
    "carpet", "castle", "cellar", "cherry", "chimney", "cottage", "cradle", "desert", "engine",
    "feather", "fiddle", "flask", "forest", "garden", "glacier", "goblet", "hammer", "harbor",
    "hatchet", "hinge", "island", "jacket", "kernel", "kettle", "ladder", "lagoon", "ledger",
    "locket", "magnet", "mantle", "marble", "meadow", "mirror", "mitten", "needle", "oasis",
    "orchard", "paddle", "parcel", "pebble", "pencil", "pillar", "pocket", "pulley", "ribbon",
    "saddle", "satchel", "shovel", "sponge", "spindle", "stairs", "table", "temple", "thicket",
    "ticket", "timber", "tunnel", "valley", "velvet", "violin", "wagon", "walnut", "window",
};

constexpr View kCommon[] = {
    "acorn", "actor", "alarm", "album", "angle", "ankle", "apron", "arena", "arrow", "attic",
    "award", "bacon", "badge", "bagel", "baker", "banjo", "barge", "barn", "basil", "basin",
    "batch", "beach", "beard", "bench", "berry", "birch", "blade", "blank", "blaze", "block",
    "bloom", "board", "bonus", "booth", "boots", "brain", "brake", "brand", "brass", "bread",
    "brick", "bride", "broom", "brush", "bugle", "bulb", "bunch", "cabin", "cable", "camel",
    "canal", "candy", "canoe", "cargo", "carol", "cedar", "chain", "chair", "chalk", "charm",
    "chart", "cheek", "chess", "chest", "chief", "chord", "cider", "clamp", "clerk", "cliff",
    "cloak", "cloth", "cloud", "clown", "coach", "coast", "cobra", "comet", "couch", "court",
    "cover", "crane", "crate", "crowd", "crown", "crumb", "curve", "daisy", "dance", "diary",
    "ditch", "donor", "draft", "drain", "dream", "dress", "drill", "drum", "dwarf", "easel",
    "elbow", "ember", "envoy", "equip", "essay", "event", "fable", "fairy", "feast", "fence",
    "ferry", "fever", "fiber", "field", "flame", "fleet", "flock", "floor", "flour", "flute",
    "foil", "force", "forge", "frame", "fraud", "fruit", "fudge", "gauge", "ghost", "giant",
    "glass", "globe", "glove", "gnome", "grain", "grape", "grass", "grave", "gravy", "grill",
    "groom", "group", "guard", "guest", "guide", "guild", "habit", "hatch", "hazel", "heart",
    "hedge", "hobby", "honey", "horse", "hotel", "house", "humor", "hurdle", "image", "index",
    "ivory", "jelly", "jewel", "joint", "judge", "juice", "kayak", "knife", "knock", "label",
    "lance", "laser", "latch", "layer", "lemon", "lever", "light", "linen", "liver", "lobby",
    "lodge", "logic", "lunch", "magic", "mango", "manor", "maple", "march", "match", "mayor",
    "medal", "melon", "mercy", "metal", "meter", "minor", "model", "money", "moral", "motel",
    "motor", "mound", "mouse", "mouth", "movie", "mural", "music", "nerve", "niece", "night",
    "noise", "north", "novel", "nurse", "ocean", "offer", "olive", "onion", "opera", "orbit",
    "organ", "oven", "owner", "oxide", "paint", "panel", "paper", "party", "pasta", "patch",
    "pause", "peach", "pearl", "pedal", "penny", "phone", "photo", "piano", "piece", "pilot",
    "pitch", "pizza", "place", "plaza", "plank", "plant", "plate", "plaid", "poem", "point",
    "polka", "porch", "pouch", "power", "press", "price", "pride", "prize", "proof", "pulse",
    "pupil", "purse", "quail", "queen", "quest", "quilt", "quota", "radar", "radio", "ranch",
    "ratio", "razor", "realm", "rebel", "reef", "relay", "rhyme", "ridge", "rifle", "river",
    "roast", "robot", "rodeo", "route", "rower", "ruler", "salad", "salon", "sauce", "scale",
    "scarf", "scene", "scent", "scout", "screw", "sedan", "sense", "shade", "shaft", "shape",
    "shelf", "shell", "shift", "shirt", "shore", "siege", "skate", "skill", "skirt", "skull",
    "slate", "slice", "slope", "smile", "smoke", "snack", "snail", "solar", "sonic", "sound",
    "space", "spark", "spear", "spice", "spine", "spoon", "sport", "squad", "stack", "staff",
    "stage", "stamp", "stand", "state", "steam", "steel", "stick", "stone", "stool", "storm",
    "story", "stove", "straw", "study", "stump", "sugar", "suite", "swamp", "sweat", "sword",
    "syrup", "table", "tango", "taxi", "teeth", "thief", "thumb", "tiger", "title", "toast",
    "tooth", "topic", "torch", "tower", "toxin", "track", "trade", "trail", "train", "treat",
    "trend", "tribe", "trick", "truck", "trunk", "tulip", "tutor", "tweed", "twine", "uncle",
    "union", "unity", "urban", "value", "vapor", "vault", "verse", "video", "villa", "virus",
    "visor", "vocal", "voice", "wafer", "wagon", "waist", "watch", "water", "weave", "wedge",
    "whale", "wharf", "wheat", "wheel", "width", "wrist", "yacht", "yeast", "youth", "zebra",
};
// clang-format on

}  // namespace

Words colors() { return kColors; }
Words animals() { return kAnimals; }
Words sites() { return kSites; }
Words first_female() { return kFemale; }
Words first_male() { return kMale; }
Words surnames() { return kSurnames; }
Words cities() { return kCities; }
Words firms() { return kFirms; }
Words roles() { return kRoles; }
Words creatures() { return kCreatures; }
Words pet_names() { return kPetNames; }
Words things() { return kThings; }
Words instruments() { return kInstruments; }
Words universities() { return kUniversities; }
Words majors() { return kMajors; }
Words awards() { return kAwards; }
Words hobbies() { return kHobbies; }
Words teams() { return kTeams; }
Words events() { return kEvents; }
Words months() { return kMonths; }
Words adjectives() { return kAdjectives; }
Words nouns() { return kNouns; }
Words common() { return kCommon; }

}  // namespace pith::eval::words
