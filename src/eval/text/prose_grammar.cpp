#include "eval/text/prose_grammar.h"

namespace pith::eval {
namespace {

using View = std::string_view;

// Sentences and how clauses join.
// Tables, as many words to a line as fit.
// clang-format off
constexpr View kSentence[] = {
    "{who} {did}.", "{who} {did}.", "{who} {did} {where}.", "{who} {did} {how}.",
    "{who} {did} {when}.", "{when}, {who} {did}.", "{when}, {who} {did} {where}.",
    "{where}, {who} {did}.", "{who} {did}, and {who} {did}.", "{who} {did}, but {who} {did}.",
    "{who} {did} while {who} {did}.", "{who} {did} because {reason}.",
    "Because {reason}, {who} {did}.", "{who} {did}, although {reason}.",
    "Although {reason}, {who} {did} {how}.", "{who} {did} before {who} {did}.",
    "After {who} {did}, {who} {did}.", "{who} {did} and then {did}.",
    "{who} {did}, {did} and {did}.", "{who} {said} that {reason}.",
    "{who} {said} that {who} {did}.", "{who}, who {did}, {did}.", "{who}, {aside}, {did}.",
    "{opening}, {who} {did}.", "{opening}, {reason}.", "{sky}.", "{sky}.",
    "{sky}, and {who} {did}.", "{sky}, so {who} {did}.", "{when}, {sky}.", "{scene}.", "{scene}.",
    "{scene}, and {scene}.", "{where}, {scene}.", "{saying}", "It was {who} who {did}.",
    "Nobody {noticed} when {who} {did}.", "Everyone {noticed} that {who} {did}.",
    "What {who} wanted was {wish}.", "{who} wanted {wish}.", "There was {talk} {where}.",
    "{talk} filled {place}.", "{who} {short}.", "{short_one}",
};

constexpr View kDid[] = {
    "mended the {tool} with {stuff}", "carried {goods} to {place}",
    "asked about the price of {goods}", "swept the floor of {place}",
    "borrowed {a_tool} from {who}", "returned the {tool} to {who}", "sold {goods} from a handcart",
    "bought {goods} for the {relative}", "left {goods} on the doorstep",
    "wrapped {goods} in {stuff}", "walked as far as {place}",
    "came back from {place} with muddy boots", "sat down on a {seat} and ate {food}",
    "cooked {food} for the {relative}", "shared {food} with {who}",
    "burned the {food_one} and laughed about it", "wrote a letter to the {relative}",
    "read a letter from the {relative} aloud", "sealed the envelope with {stuff}",
    "posted a notice about the {gathering}", "forgot the hour of the {gathering}",
    "arrived late for the {gathering}", "hung {stuff} along the fence for the {gathering}",
    "played cards with {who}", "told an old story about {place}", "sang to pass the time",
    "whistled a tune that {who} had taught", "hummed and polished the {tool}",
    "sharpened the {tool} on a wet stone", "oiled the hinges of the {part}",
    "repaired the {part} of the cart", "painted the {part} a second time",
    "leaned {a_tool} against the {part}", "hid the {tool} under {stuff}",
    "lost the {tool} somewhere near {place}", "found {a_tool} in the long grass",
    "counted the sacks of {goods} twice", "weighed {goods} on the brass scale",
    "argued with {who} about {topic}", "agreed with {who} about {topic}",
    "thought about {topic} all the way home", "spoke at length about {topic}",
    "said nothing more about {topic}", "laughed at a remark about {topic}",
    "taught the {relative} how to use {a_tool}", "learned the trade of {a_role}",
    "worked beside {who} for a season", "hired {a_role} to look at the {part}",
    "paid {who} with {goods}", "refused to pay for {goods}", "gave {goods} away",
    "waited for the ferry near {place}", "missed the ferry and slept at {place}",
    "followed the path behind {place}", "crossed the stream on a plank",
    "climbed the hill to look at the weather", "pulled the boat above the tide line",
    "tied the boat to the {part}", "dug a trench around {place}", "planted {crop} in neat rows",
    "watered the {crop} twice a day", "dried {crop} on the roof", "stored {crop} in the loft",
    "traded {crop} for {goods}", "chased the hens out of the {crop}", "milked the goats early",
    "brushed the mule until it shone", "fed the cat under the table", "let the dogs out",
    "lit the stove with {stuff}", "boiled water for tea", "brewed a pot of something bitter",
    "warmed both hands over the fire", "shut the {part} against the draught",
    "opened the {part} to let in some air", "looked out of the window toward {place}",
    "fell asleep on the {seat}", "woke with a stiff neck", "dreamed of {place} again",
    "sketched {place} on the back of a bill", "measured the {part} with a length of string",
    "cut {stuff} into even strips", "folded {stuff} and put it in the chest",
    "stitched a patch of {stuff} onto the coat", "washed the curtains in cold water",
    "drew lots with {who} for the last of the {food_one}",
    "tasted the {food_one} and asked for salt", "promised to bring {goods} next time",
    "kept a promise made to {who}", "apologised to {who} for the noise",
    "thanked {who} for the help", "waved to {who} from the road",
    "recognised {who} by the walk alone", "mistook {who} for {a_role}", "lent {who} a dry coat",
    "put the {tool} back in its place", "made a {seat} out of old timber",
    "built a shelter from {stuff}", "cleared the gutters above the {part}",
    "stacked firewood beside the {part}", "split logs until the light failed",
    "drove the wagon slowly past {place}", "unloaded {goods} in the rain",
    "signed the ledger and left", "checked the knots one after another",
    "rang the hand bell for supper", "turned the page and sighed",
    "took the longer way around {place}", "practised the same dance step all evening",
    "remembered {topic} with a smile",
};

constexpr View kShort[] = {
    "laughed", "sighed", "nodded", "shrugged", "waited", "yawned", "hesitated", "went home",
    "stayed", "agreed", "sat down", "said little", "left early", "kept quiet", "looked away",
    "came in", "slept badly", "ate alone", "smiled", "went out", "lost count", "gave up",
};

constexpr View kShortOne[] = {
    "Nothing came of it.", "It took all day.", "Supper was late again.", "The kettle sang.",
    "Time passed.", "Somebody knocked.", "The door stayed shut.", "It was a long walk.",
    "The fire went out.", "No answer came.", "The dog barked.", "That was all.",
    "The bread had risen.", "Work went on.", "The well was low.", "Dust lay on everything.",
    "The ink had dried.", "Voices carried far.", "A cart went by.", "The stairs creaked.",
    "Nobody minded.", "The road was empty.", "Tea was poured.", "The lamp flickered.",
};

constexpr View kReason[] = {
    "the {tool} had been left out overnight", "the {part} would not close",
    "the {gathering} had been put off", "there was no {food_one} in the house",
    "the {relative} had asked for it", "the road to {place} was under water",
    "the {crop} had failed that year", "the price of {goods} had gone up",
    "{who} had already gone to bed", "{who} had promised to help",
    "nobody else knew how to use {a_tool}", "the ferry was late",
    "it was too early to light the lamps", "the wind had dropped",
    "there was hardly any light left", "the {seat} was too small for two",
    "the letter had never arrived", "the mule was lame", "the bridge needed new planks",
    "{stuff} was cheap that season", "the stove smoked badly", "the work paid well",
    "the key stuck in the lock", "the cellar smelled of {goods}",
    "the path around {place} was steep", "the news had travelled slowly",
};

constexpr View kSaid[] = {
    "said", "believed", "guessed", "claimed", "heard", "wrote home", "told {who}", "pretended",
    "suspected", "complained", "was glad", "feared", "explained", "admitted", "insisted",
};

constexpr View kAside[] = {
    "tired from the road", "as usual", "to be fair", "still in working clothes",
    "never one to hurry", "with a shrug", "known for patience", "new to the district",
    "a {role} by training", "back from {place}", "half asleep", "in a borrowed hat",
    "who disliked {topic}", "without a word", "to everyone's surprise", "pleased with the {tool}",
};

constexpr View kOpening[] = {
    "As it happened", "In those years", "For once", "Little by little", "According to {who}",
    "On the whole", "By all accounts", "As so often", "Against all advice", "In the end",
    "To save time", "Out of habit", "For a while", "Strange to say", "With nothing else to do",
    "Thanks to {who}", "Instead of resting", "Far from {place}", "Despite {topic}",
};

constexpr View kNoticed[] = {
    "noticed", "minded", "remarked", "was surprised", "cared",
};

constexpr View kWish[] = {
    "a quiet evening", "a better {tool}", "a room with a view of {place}", "some {food_one}",
    "to hear less about {topic}", "a ride to {place}", "an answer from the {relative}",
    "a dry {seat}", "to learn the work of {a_role}", "more time for {topic}",
    "to leave before the {gathering}", "nothing but a cup of tea", "a fair price for {goods}",
};

constexpr View kTalk[] = {
    "talk of {topic}", "the smell of {food_one}", "the sound of a {tool}",
    "an argument about {topic}", "a rumour about the {gathering}", "laughter from the kitchen",
    "the scent of wet {stuff}", "gossip about {who}", "a crowd of {people}",
    "the noise of {people}",
};

constexpr View kSky[] = {
    "{weather} came in over {land}", "{weather} hung above {land}", "{weather} hid {land}",
    "{weather} kept the {people} indoors", "{weather} delayed the {gathering}",
    "{weather} spoiled the {crop}", "{weather} lasted until {hour}", "{weather} was expected",
    "the air smelled of {goods} and {stuff}", "the wind turned and {weather} followed",
    "the puddles froze {where}", "the sun came out over {land}", "clouds gathered over {land}",
    "it rained on {land} until {hour}", "it snowed lightly on {land}",
    "frost covered {land} by {hour}", "the barometer fell and {weather} began",
    "the river rose {where}", "{land} lay still", "thunder rolled across {land}",
};

constexpr View kScene[] = {
    "the {part} stood open", "{stuff} lay in a heap beside the {part}", "{people} passed {place}",
    "the {seat} was empty", "{goods} stood ready for the {gathering}",
    "the {tool} hung on its nail", "the {tool} was missing", "a lamp burned in {place}",
    "the floor of {place} was wet", "the {crop} stood knee high", "hens scratched under the {part}",
    "children chased a hoop past {place}", "the sign outside {place} had faded",
    "smoke rose from {place}", "the bell of {place} was cracked",
    "a map of {land} covered one wall", "the {food_one} had gone cold", "the path was slippery",
    "the {seat} had been moved to the window", "barrels of {goods} blocked the way",
};

constexpr View kSaying[] = {
    "\"Bring the {tool},\" said {who}.", "\"Not today,\" said {who}, and {did}.",
    "\"Is there any {food_one} left?\" asked {who}.", "\"Mind the {part},\" said {who}.",
    "\"Ask {who} about {topic},\" was the answer.", "\"It will rain on {land},\" said {who}.",
    "\"Leave the {goods} here,\" said {who}, who {did}.", "\"We shall see,\" said {who}.",
    "Who had moved the {tool}?", "Why had {who} gone to {place}?",
    "\"I never cared for {topic},\" said {who} {when}.", "What was to be done with the {crop}?",
    "\"After the {gathering},\" {who} said, \"we can talk about {topic}.\"",
};

constexpr View kWhere[] = {
    "behind {place}", "in front of {place}", "near {place}", "not far from {place}",
    "on the way to {place}", "at {place}", "by the {part}", "under the {part}", "beside the stove",
    "along the edge of {land}", "at the top of the stairs", "in the yard",
    "between {place} and the road", "on the far side of {land}", "at the corner table",
    "in the shade", "down by the water",
};

constexpr View kWhen[] = {
    "before breakfast", "after the {gathering}", "during the {gathering}", "toward {hour}",
    "just before {hour}", "on market day", "the week after the {gathering}", "in late autumn",
    "in early spring", "at the height of summer", "every other evening", "once a month",
    "the next morning", "that same night", "on the last day of the {gathering}", "at low tide",
    "when the lamps were lit", "as soon as the rain stopped", "between two showers",
    "a few days later", "at about {hour}", "long before {hour}", "the winter before",
};

constexpr View kHow[] = {
    "without hurry", "with great care", "in silence", "for no clear reason", "as best one could",
    "with the {relative}", "rather badly", "with one hand", "for the second time", "at last",
    "with a borrowed {tool}", "to please {who}", "in spite of {weather}", "once more",
    "with a good deal of noise", "by lamplight", "on an empty stomach",
    "as if nothing had happened",
};

constexpr View kWho[] = {
    "{name}", "{name}", "{name}", "the {role}", "the {role}", "{name} the {role}",
    "the {manner} {role}", "{name} and {name}", "the {relative} of {name}",
    "the {role}'s {relative}", "a {manner} stranger", "{a_role}", "the {people}",
    "some of the {people}", "the {role} from {place}", "old {name}", "young {name}",
    "the new {role}",
};

constexpr View kName[] = {
    "Mabel", "Otto", "Edith", "Hugo", "Nell", "Arthur", "Clara", "Ivo", "Ruth", "Felix", "Agnes",
    "Ned", "Dora", "Walter", "Hester", "Simon", "Lottie", "Edgar", "Flora", "Ralph", "Minna",
    "Jonas", "Winnie", "Conrad", "Sadie", "Lewis", "Emma", "Rupert", "Anna", "Barnaby", "Millie",
    "Theo", "Harriet", "Oscar", "Louisa", "Martin", "Judith", "Albert", "Esther", "Henry", "Maud",
    "Victor", "Nora", "Philip", "Bess", "Gregor", "Lena", "Stephen", "Ursula", "Thomas",
};

constexpr View kRole[] = {
    "cooper", "miller", "cobbler", "farrier", "chandler", "weaver", "potter", "thatcher", "tinker",
    "fishmonger", "tailor", "glazier", "mason", "plumber", "saddler", "brewer", "ferryman",
    "postmaster", "schoolteacher", "shepherd", "innkeeper", "dairymaid", "watchman", "roofer",
    "tanner", "baker", "butcher", "carter", "gardener", "sexton", "stonecutter", "net maker",
    "candle maker", "barber", "clockmaker", "ploughman", "grocer", "hatter", "bricklayer",
    "blacksmith", "lamplighter", "midwife", "piano tuner", "basket maker", "road mender",
};

constexpr View kManner[] = {
    "cheerful", "stubborn", "forgetful", "careful", "talkative", "silent", "retired", "restless",
    "patient", "curious", "generous", "weary", "sleepless", "absent-minded", "nervous", "gruff",
    "elegant", "homesick", "practical", "superstitious",
};

constexpr View kPeople[] = {
    "neighbours", "apprentices", "travellers", "fishermen", "lodgers", "pilgrims", "carters",
    "villagers", "musicians", "reapers", "cousins", "regulars", "quarrymen", "rowers", "choristers",
};

constexpr View kRelative[] = {
    "aunt", "nephew", "sister", "grandfather", "godmother", "brother", "cousin", "uncle",
    "daughter", "stepson", "mother", "niece",
};

constexpr View kARole[] = {
    "a {role}", "a retired {role}", "a travelling {role}", "a {manner} {role}",
};
constexpr View kATool[] = {
    "a {tool}", "a rusty {tool}", "a heavy {tool}", "a second {tool}", "a well made {tool}",
    "a {tool} without a handle",
};

constexpr View kTool[] = {
    "mallet", "chisel", "plane", "rasp", "scythe", "sickle", "spade", "rake", "hoe", "pitchfork",
    "wrench", "pliers case", "saw", "trowel", "auger", "crowbar", "awl", "bellows", "whetstone",
    "ladle", "sieve", "grindstone", "winch", "wheelbarrow", "plumb line", "spirit level", "clamp",
    "file", "billhook", "axe", "loom", "spinning wheel", "churn", "paintbrush", "stepladder",
};

constexpr View kStuff[] = {
    "twine", "canvas", "sailcloth", "straw", "wax", "wire", "tar", "felt", "oilcloth", "burlap",
    "pine boards", "birch bark", "leather", "rope", "newspaper", "clay", "moss", "linen", "reeds",
    "scrap iron",
};

constexpr View kGoods[] = {
    "lamp oil", "flour", "nails", "pickled herring", "candles", "wool", "salt", "honey", "soap",
    "tobacco", "dried plums", "roof tiles", "rice", "ink", "cider", "vinegar", "tea", "lentils",
    "charcoal", "ginger", "barley", "molasses", "buttons", "pepper", "cork",
};

constexpr View kFood[] = {
    "lentil soup", "bread and dripping", "a plate of dumplings", "cold mutton", "oat cakes",
    "a bowl of porridge", "fried eels", "an onion tart", "boiled eggs", "a wedge of cheese",
    "baked pears", "bean stew", "rye bread", "a slice of plum cake", "roast chestnuts",
};
constexpr View kFoodOne[] = {
    "soup", "bread", "stew", "porridge", "cheese", "gravy", "cake", "butter", "jam", "pudding",
    "broth", "ham",
};

constexpr View kCrop[] = {
    "turnips", "beans", "rye", "leeks", "potatoes", "hops", "cabbages", "peas", "flax",
    "sunflowers", "pumpkins", "onions", "carrots", "buckwheat",
};

constexpr View kPart[] = {
    "gate", "shutter", "chimney", "roof", "staircase", "door", "axle", "railing", "trapdoor",
    "window frame", "gutter", "threshold", "porch", "drawbar",
};

constexpr View kSeat[] = {
    "bench", "stool", "barrel", "crate", "rocking chair", "low wall", "tree stump", "doorstep",
    "hay bale", "folding chair",
};

constexpr View kPlace[] = {
    "the old inn", "the village hall", "the upper meadow", "the slate bridge", "the ferry landing",
    "the crossroads", "the miller's house", "the drying sheds", "the church steps",
    "the lower wharf", "the schoolhouse", "the walled garden", "the toll house", "the brickyard",
    "the long barn", "the post office", "the bakery", "the well", "the fork in the lane",
    "the hop fields", "the chestnut avenue", "the weir", "the smithy", "the almshouse",
    "the row of cottages", "the railway halt", "the bowling green", "the sheepfold",
    "the county fair", "the parish pump", "the coaching yard", "the boarding house",
};

constexpr View kLand[] = {
    "the valley", "the moor", "the marsh", "the downs", "the estuary", "the pine woods",
    "the headland", "the ploughed fields", "the eastern hills", "the water meadows", "the dunes",
    "the common", "the upland pastures", "the fens", "the bay", "the ridge",
};

constexpr View kWeather[] = {
    "a thick fog", "a fine drizzle", "a cold mist", "a sudden squall", "a warm breeze",
    "a dry east wind", "a heavy dew", "a hailstorm", "a long drought", "a thin sleet", "a sea fret",
    "a late frost", "a thunderstorm", "a haze of dust", "a steady downpour", "a bitter gale",
    "a spell of damp heat", "a flurry of snow",
};

constexpr View kHour[] = {
    "noon", "dusk", "midnight", "dawn", "sunset", "teatime", "closing time", "nightfall",
    "milking time", "suppertime",
};

constexpr View kGathering[] = {
    "harvest supper", "wedding", "cattle market", "choir practice", "parish meeting", "barn dance",
    "christening", "boat race", "flower show", "rent day", "quilting bee", "school play",
    "horse sale", "bonfire", "brass band contest", "spring cleaning", "apple pressing",
};

constexpr View kTopic[] = {
    "the price of bread", "the new railway", "the state of the roads", "the last election",
    "the right way to stack hay", "other people's debts", "the ghost on the stairs", "the tides",
    "a lost inheritance", "the art of pickling", "bad dreams", "the schoolteacher's hat",
    "a quarrel over a fence", "the best bait for trout", "modern manners", "the drainage of fields",
    "the mayor's speech", "an unpaid bill", "old songs", "a remedy for coughs", "the coming winter",
    "a missing spoon", "the colour of the church door", "travel by sea", "a broken engagement",
};
// clang-format on

constexpr Rule kGrammar[] = {
    {"sentence", kSentence}, {"did", kDid},
    {"short", kShort},       {"short_one", kShortOne},
    {"reason", kReason},     {"said", kSaid},
    {"aside", kAside},       {"opening", kOpening},
    {"noticed", kNoticed},   {"wish", kWish},
    {"talk", kTalk},         {"sky", kSky},
    {"scene", kScene},       {"saying", kSaying},
    {"where", kWhere},       {"when", kWhen},
    {"how", kHow},           {"who", kWho},
    {"name", kName},         {"role", kRole},
    {"manner", kManner},     {"people", kPeople},
    {"relative", kRelative}, {"a_role", kARole},
    {"a_tool", kATool},      {"tool", kTool},
    {"stuff", kStuff},       {"goods", kGoods},
    {"food", kFood},         {"food_one", kFoodOne},
    {"crop", kCrop},         {"part", kPart},
    {"seat", kSeat},         {"place", kPlace},
    {"land", kLand},         {"weather", kWeather},
    {"hour", kHour},         {"gathering", kGathering},
    {"topic", kTopic},
};

}  // namespace

std::span<const Rule> prose_grammar() { return kGrammar; }

}  // namespace pith::eval
