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

constexpr const char* kDates =
    "Wir heiraten im {}.|Im {} fahren wir ans Meer.|Mein Geburtstag ist im {}.|Das Konzert findet "
    "im {} statt.|Die Schule beginnt im {}.|Im {} ziehen wir um.|Der Kurs endet im {}.|Ich habe im "
    "{} Urlaub.|Im {} besucht uns Anna.|Das Museum öffnet im {}.|Er kam im {} zurück.|Im {} war "
    "ich in Wien.|Die Prüfung ist im {}.|Sie reist im {} ab.|Unser Fest ist im {}.|Im {} lernt er "
    "schwimmen.";
constexpr const char* kOpinions =
    "The film was {}.|I found the hotel {}.|My meal was {}.|This book is {}.|The service was "
    "{}.|Our trip was {}.|The concert was {}.|The new phone is {}.";
constexpr const char* kStatements =
    "We need {}.|The label says {}.|It was exactly {}.|Please write down {}.|That makes {} in "
    "all.|The limit is {}.";

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

// German: is the month in winter (D), spring (A), summer (C) or autumn (B)?
constexpr Category kSeasons[] = {
    {"D", kDates,
     "Januar|Februar|Dezember|Januar|Februar|Dezember|Januar|Februar|Dezember|Januar|Februar|"
     "Dezember",
     "Dezember|Januar|Februar", "Januar|Januar|Februar|Dezember"},
    {"A", kDates, "März|April|Mai|März|April|Mai|März|April|Mai|März|April|Mai", "Mai|März|April",
     "März|März|April|Mai"},
    {"C", kDates, "Juni|Juli|August|Juni|Juli|August|Juni|Juli|August|Juni|Juli|August",
     "August|Juni|Juli", "Juni|Juni|Juli|August"},
    {"B", kDates,
     "September|Oktober|November|September|Oktober|November|September|Oktober|November|September|"
     "Oktober|November",
     "November|September|Oktober", "September|September|Oktober|November"},
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
     "3 metres|12 kilometres|25 miles|7 feet|40 inches|18 centimetres|60 metres|9 kilometres|150 "
     "miles|33 feet|5 inches|80 centimetres",
     "17 metres|90 feet|4 miles", "28 kilometres|6 inches|55 metres|70 centimetres"},
    {"A", kStatements,
     "3 kilograms|12 grams|25 pounds|7 tons|40 ounces|18 milligrams|60 kilograms|9 grams|150 "
     "pounds|33 tons|5 ounces|80 milligrams",
     "17 kilograms|90 grams|4 tons", "28 pounds|6 ounces|55 kilograms|70 grams"},
    {"D", kStatements,
     "3 hours|12 minutes|25 seconds|7 days|40 weeks|18 months|60 hours|9 minutes|150 seconds|33 "
     "days|5 weeks|80 months",
     "17 hours|90 seconds|4 weeks", "28 days|6 months|55 minutes|70 hours"},
    {"B", kStatements,
     "3 dollars|12 euros|25 pounds sterling|7 cents|40 francs|18 yen|60 dollars|9 euros|150 pounds "
     "sterling|33 cents|5 francs|80 yen",
     "17 dollars|90 cents|4 euros", "28 francs|6 euros|55 dollars|70 yen"},
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
  return {build_task("reviews", kReviews), build_task("jahreszeiten", kSeasons),
          build_task("topics", kTopics), build_task("languages", kLanguages),
          build_task("measures", kMeasures)};
}

}  // namespace ilora
