#include "data/mini_suite.h"

#include <cctype>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ilora {
namespace {

// One answer of a task: sentences with a gap {}, and what is put there in each split. All lists are
// written a|b|c.
struct Category {
  const char* answer;
  const char* sentences;
  const char *train, *eval, *test;
};

constexpr const char* kOpinions =
    "The film was {}.|I found the hotel {}.|My meal was {}.|This book is {}.|The service was "
    "{}.|Our trip was {}.|The concert was {}.|The new phone is {}.";
constexpr const char* kStatements =
    "We need {}.|The label says {}.|It was exactly {}.|Please write down {}.|That makes {} in "
    "all.|The limit is {}.";

constexpr const char* kGoods =
    "Kaffee|Tee|Papier|Wein|Honig|Seife|Tinte|Farbe|Schokolade|Reis|Käse|Öl";
constexpr const char* kGoodsEval = "Holz|Milch|Mehl";
constexpr const char* kGoodsTest = "Zucker|Wolle|Saft|Leder";

// English: is an opinion good (B) or bad (C)?
constexpr Category kReviews[] = {
    {"B", kOpinions,
     "wonderful|excellent|great|delightful|fantastic|superb|amazing|lovely|brilliant|perfect|"
     "charming|impressive|pleasant|outstanding|very good|beautiful|enjoyable|marvellous|a real "
     "joy|worth every penny|just perfect|really nice|a great success|the best in years",
     "terrific|splendid|truly good|a pleasure|very enjoyable|better than expected",
     "magnificent|awesome|really great|a delight|simply lovely|first-class|highly recommended|good "
     "fun"},
    {"C", kOpinions,
     "terrible|awful|boring|horrible|disappointing|dreadful|bad|poor|annoying|ugly|dull|a waste of "
     "money|very bad|disgusting|useless|unpleasant|a disaster|really poor|a big mistake|the worst "
     "in years|just awful|broken and dirty|a complete failure|much too expensive",
     "miserable|dreary|truly bad|a nightmare|very boring|worse than expected",
     "atrocious|appalling|really terrible|a disappointment|simply horrible|third-rate|not worth "
     "the money|painfully bad"},
};

// German, customers write: about an invoice (B), a parcel (D), a discount (A) or an exchange (C)?
constexpr Category kRequests[] = {
    {"B",
     "Die Rechnung für {} ist falsch.|Warum kommt noch eine Rechnung für {}?|Bitte schicken Sie "
     "mir die Rechnung für {}.|Auf der Rechnung steht {} zweimal.|Die Rechnung für {} ist zu "
     "hoch.|Wo finde ich die Rechnung für {}?",
     kGoods, kGoodsEval, kGoodsTest},
    {"D",
     "Das Paket mit {} ist nicht da.|Wann kommt das Paket mit {}?|Mein Paket mit {} ist "
     "beschädigt.|Das Paket mit {} liegt beim Nachbarn.|Bitte schicken Sie das Paket mit {} "
     "morgen.|Zum Paket mit {} habe ich eine Frage.",
     kGoods, kGoodsEval, kGoodsTest},
    {"A",
     "Gibt es Rabatt auf {}?|Der Rabatt auf {} fehlt noch.|Wie hoch ist der Rabatt auf {}?|Ich "
     "möchte den Rabatt auf {} nutzen.|Bis wann gilt der Rabatt auf {}?|Warum ist der Rabatt auf "
     "{} so klein?",
     kGoods, kGoodsEval, kGoodsTest},
    {"C",
     "Ich möchte {} umtauschen.|Ist ein Umtausch von {} möglich?|Wo kann ich {} umtauschen?|Kann "
     "ich {} noch umtauschen?|Der Umtausch von {} hat geklappt.|Bis wann kann ich {} umtauschen?",
     kGoods, kGoodsEval, kGoodsTest},
};

// English: sport (A), cooking (D), weather (B) or music (C)?
constexpr Category kTopics[] = {
    {"A",
     "The {} team won the final.|She trains for {} every day.|Our coach loves {}.|The {} match "
     "ended in a draw.|He scored twice in the {} game.|Fans cheered at the {} championship.",
     "football|tennis|hockey|basketball|rugby|volleyball|cricket|baseball|handball|badminton|golf|"
     "water polo",
     "softball|squash|table tennis", "lacrosse|ice hockey|soccer|netball"},
    {"D",
     "Stir the {} over low heat.|Serve the {} with fresh herbs.|Add salt to the {}.|Cook the {} "
     "for an hour.|The recipe for {} needs two eggs.|Let the {} cool in the kitchen.",
     "soup|bread|rice|sauce|pasta|pie|chicken|cake|stew|potatoes|pancakes|fish",
     "curry|dough|omelette", "lasagne|beans|pudding|mushrooms"},
    {"B",
     "Heavy rain is expected in {}.|Snow fell in {} last night.|A storm is moving towards {}.|It "
     "will be sunny and dry in {}.|Thick fog covered {} this morning.|Temperatures in {} drop "
     "below zero.",
     "London|Berlin|Madrid|Oslo|Vienna|Chicago|Dublin|Lisbon|Toronto|Boston|Warsaw|Prague",
     "Paris|Seattle|Zurich", "Rome|Denver|Helsinki|Glasgow"},
    {"C",
     "He plays the {} in an orchestra.|The {} solo was beautiful.|She composed a song for {}.|The "
     "band needs a new {}.|I heard the {} on the radio.|He tuned his {} before the show.",
     "violin|piano|guitar|flute|trumpet|cello|drum|harp|clarinet|saxophone|organ|banjo",
     "oboe|viola|trombone", "tuba|bassoon|accordion|mandolin"},
};

// Which language is it: English (D), German (C), French (A) or Spanish (B)?
constexpr Category kLanguages[] = {
    {"D",
     "The {} is in the garden.|We bought a {} yesterday.|Where is my {}?|There is a {} in front of "
     "the house.|I would like to see the {}.|She does not know this {}.",
     "dog|book|table|car|letter|window|bottle|lamp|key|tree|picture|bag", "chair|clock|bike",
     "basket|box|mirror|ladder"},
    {"C",
     "{} ist im Garten.|Wo ist denn {}?|Gestern war {} noch hier.|Ich glaube, {} gehört uns "
     "nicht.|Hier steht {} vor dem Haus.|Warum ist {} so teuer?",
     "der Hund|das Buch|der Tisch|das Auto|der Brief|das Fenster|die Flasche|die Lampe|der "
     "Schlüssel|der Baum|das Bild|die Tasche",
     "der Stuhl|die Uhr|das Fahrrad", "der Korb|die Kiste|der Spiegel|die Leiter"},
    {"A",
     "{} est dans le jardin.|Où est {} ?|Hier, {} était encore ici.|Je crois que {} n'est pas à "
     "nous.|Voici {} devant la maison.|Pourquoi {} est si cher ?",
     "le chien|le livre|la table|la voiture|la lettre|la fenêtre|la bouteille|la lampe|la "
     "clé|l'arbre|le tableau|le sac",
     "la chaise|la montre|le vélo", "le panier|la boîte|le miroir|l'échelle"},
    {"B",
     "{} está en el jardín.|¿Dónde está {}?|Ayer {} todavía estaba aquí.|Creo que {} no es "
     "nuestro.|Aquí está {} delante de la casa.|¿Por qué {} cuesta tanto?",
     "el perro|el libro|la mesa|el coche|la carta|la ventana|la botella|la lámpara|la llave|el "
     "árbol|el cuadro|la bolsa",
     "la silla|el reloj|la bicicleta", "la cesta|la caja|el espejo|la escalera"},
};

// English: what is measured, a length (C), a weight (A), a time (D) or a sum of money (B)?
constexpr Category kMeasures[] = {
    {"C", kStatements,
     "3 metres|12 kilometres|25 miles|7 inches|40 metres|18 kilometres|60 miles|9 inches|150 "
     "metres|33 kilometres|5 miles|80 inches",
     "17 metres|90 inches|4 miles", "28 kilometres|6 miles|55 metres|70 inches"},
    {"A", kStatements,
     "3 kilograms|12 grams|25 tons|7 pounds|40 kilograms|18 grams|60 tons|9 pounds|150 "
     "kilograms|33 grams|5 tons|80 pounds",
     "17 kilograms|90 pounds|4 tons", "28 grams|6 tons|55 kilograms|70 pounds"},
    {"D", kStatements,
     "3 hours|12 minutes|25 days|7 weeks|40 hours|18 minutes|60 days|9 weeks|150 hours|33 "
     "minutes|5 days|80 weeks",
     "17 hours|90 weeks|4 days", "28 minutes|6 days|55 hours|70 weeks"},
    {"B", kStatements,
     "3 dollars|12 euros|25 francs|7 cents|40 dollars|18 euros|60 francs|9 cents|150 dollars|33 "
     "euros|5 francs|80 cents",
     "17 dollars|90 cents|4 francs", "28 euros|6 francs|55 dollars|70 cents"},
};

constexpr std::string_view kQuestion = "\nCode:";
constexpr size_t kSentencesPerItem = 2;

std::vector<std::string_view> split_list(std::string_view list) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t bar = list.find('|');
    parts.push_back(list.substr(0, bar));
    if (bar == std::string_view::npos) return parts;
    list.remove_prefix(bar + 1);
  }
}

std::string fill_gap(std::string_view sentence, std::string_view item) {
  const size_t gap = sentence.find("{}");
  ILORA_CHECK(gap != std::string_view::npos, "a sentence without a gap: {}", sentence);
  std::string text(sentence.substr(0, gap));
  text.append(item).append(sentence.substr(gap + 2));
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text.append(kQuestion);
}

// Each item stands in two sentences; the next item takes the two that follow, from `first` on.
std::vector<Example> category_rows(const Category& category, const char* items, size_t first) {
  const std::vector<std::string_view> sentences = split_list(category.sentences);
  std::vector<Example> rows;
  for (const std::string_view item : split_list(items)) {
    for (size_t i = 0; i < kSentencesPerItem; ++i) {
      const std::string_view sentence = sentences[(first + rows.size()) % sentences.size()];
      rows.push_back({fill_gap(sentence, item), category.answer});
    }
  }
  return rows;
}

// The rows of all categories in turn: the first of each, then the second of each.
std::vector<Example> split_rows(std::span<const Category> categories, const char* Category::*items,
                                size_t first) {
  std::vector<std::vector<Example>> lists;
  for (const Category& category : categories) {
    lists.push_back(category_rows(category, category.*items, first));
    ILORA_CHECK(lists.back().size() == lists.front().size(), "answers are not balanced");
  }
  std::vector<Example> rows;
  for (size_t i = 0; i < lists.front().size(); ++i) {
    for (const std::vector<Example>& list : lists) rows.push_back(list[i]);
  }
  return rows;
}

TaskText build_task(const char* name, std::span<const Category> categories) {
  TaskText task;
  task.name = name;
  task.train = split_rows(categories, &Category::train, 0);
  task.eval = split_rows(categories, &Category::eval, 2);
  task.test = split_rows(categories, &Category::test, 8);
  return task;
}

}  // namespace

std::vector<TaskText> mini_suite() {
  return {build_task("reviews", kReviews), build_task("anfragen", kRequests),
          build_task("topics", kTopics), build_task("languages", kLanguages),
          build_task("measures", kMeasures)};
}

}  // namespace ilora
